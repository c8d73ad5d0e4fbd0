{#-
    What several origins tell is one event: it keeps the words of the one that tells most, a webhook before REST, REST
    before snapshots, snapshots before the calendar. The same id is the same event. Changes that readings date a little
    later than they happened (tier, opt-in and opt-out, progress) are the same when they are no more than a day apart.
-#}
{%- set columns = event_columns() | join(',\n        ') -%}
{%- set days_between = 'abs(' ~ dbt.datediff('told.occurred_at', 'richer.occurred_at', 'day') ~ ')' -%}

with webhooks as (
    select
        {{ columns }}
    from {{ ref('int_yotpo__events_told_by_webhooks') }}
),

rest as (
    select
        {{ columns }}
    from {{ ref('int_smile__events_told_by_rest') }}
    union all
    select
        {{ columns }}
    from {{ ref('int_yotpo__events_told_by_rest') }}
),

snapshots as (
    select
        {{ columns }}
    from {{ ref('int_loyalty__events_told_by_snapshots') }}
),

calendar as (
    select
        {{ columns }}
    from {{ ref('int_loyalty__events_told_by_calendar') }}
),

near_webhooks as (
    select distinct
        program,
        event_type,
        near_key,
        occurred_at
    from webhooks
    where near_key is not null
),

near_rest as (
    select
        program,
        event_type,
        near_key,
        occurred_at
    from {{ ref('int_yotpo__events_told_by_rest') }}
    where event_type = 'loyalty_opt_in'
),

-- where Yotpo itself reminds, on days of its own, the calendar no longer does
reminding as (
    select
        program,
        event_type,
        min(cast(occurred_at as date)) as first_on
    from webhooks
    where event_type in ('points_reminder', 'redemption_reminder', 'loyalty_expiration_reminder')
    group by program, event_type
),

told_once as (
    select * from webhooks
    union all
    select told.*
    from rest as told
    where
        not exists (
            select 1 from webhooks as richer
            where richer.event_id = told.event_id
        )
        and not exists (
            select 1 from near_webhooks as richer
            where
                richer.near_key = told.near_key
                and richer.program = told.program
                and richer.event_type = told.event_type
                and {{ days_between }} <= 1
        )
    union all
    select told.*
    from snapshots as told
    where
        not exists (
            select 1 from webhooks as richer
            where richer.event_id = told.event_id
        )
        and not exists (
            select 1 from near_webhooks as richer
            where
                richer.near_key = told.near_key
                and richer.program = told.program
                and richer.event_type = told.event_type
                and {{ days_between }} <= 1
        )
        and not exists (
            select 1 from near_rest as richer
            where
                richer.near_key = told.near_key
                and richer.program = told.program
                and richer.event_type = told.event_type
                and {{ days_between }} <= 1
        )
    union all
    select told.*
    from calendar as told
    where
        not exists (
            select 1 from webhooks as richer
            where richer.event_id = told.event_id
        )
        and not exists (
            select 1 from reminding
            where
                reminding.program = told.program
                and reminding.event_type = told.event_type
                and reminding.first_on < cast(told.occurred_at as date)
        )
),

first_readings as (
    select
        program,
        min(valid_from_at) as first_read_at
    from {{ ref('fct_member_states') }}
    group by program
)

select
    told_once.program,
    told_once.vendor,
    told_once.event_id,
    told_once.event_type,
    told_once.member_id,
    told_once.email,
    told_once.is_about_friend,
    told_once.occurred_at,
    coalesce(told_once.occurred_at <= first_readings.first_read_at, false) as is_first_load,
    told_once.properties,
    told_once.origin
from told_once
left join first_readings on told_once.program = first_readings.program
where told_once.occurred_at <= {{ loyalty_now() }}
