{#-
    What several origins tell is one event: it keeps the words of the one that tells most, a webhook before REST, REST
    before snapshots, snapshots before the calendar. The same id is the same event. Changes that readings date a little
    later than they happened (tier, opt-in and opt-out, progress) are the same when they are no more than a day apart.
-#}
{%- set columns = event_columns() | join(',\n        ') -%}
{%- set near_key = "program || '|' || event_type || '|' || near_key || '|'" -%}
{#- `not in`, so that the few are looked up and not the many: the engine may turn an anti join round. -#}
{%- set not_told_by_webhook = "event_id not in (select webhook_ids.event_id from webhook_ids)" -%}
{%- set not_near = "coalesce(" ~ near_key ~ " || cast(cast(occurred_at as date) as " ~ dbt.type_string() ~ "), '') not in" -%}

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

webhook_ids as (
    select event_id
    from webhooks
),

-- the days on which a reading may date what these dated exactly
near_webhooks as (
    {%- for days in [-1, 0, 1] %}
    select {{ near_key }} || cast(cast({{ dbt.dateadd('day', days, 'occurred_at') }} as date) as {{ dbt.type_string() }}) as near_day
    from webhooks
    where near_key is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

near_opt_ins as (
    {%- for days in [-1, 0, 1] %}
    select {{ near_key }} || cast(cast({{ dbt.dateadd('day', days, 'occurred_at') }} as date) as {{ dbt.type_string() }}) as near_day
    from {{ ref('int_yotpo__events_told_by_rest') }}
    where event_type = 'loyalty_opt_in'
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
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
    select * from rest
    where
        {{ not_told_by_webhook }}
        and {{ not_near }} (select near_webhooks.near_day from near_webhooks)
    union all
    select * from snapshots
    where
        {{ not_told_by_webhook }}
        and {{ not_near }} (select near_webhooks.near_day from near_webhooks)
        and {{ not_near }} (select near_opt_ins.near_day from near_opt_ins)
    union all
    select calendar.*
    from calendar
    left join reminding
        on
            calendar.program = reminding.program
            and calendar.event_type = reminding.event_type
            and reminding.first_on < cast(calendar.occurred_at as date)
    where
        reminding.program is null
        and calendar.{{ not_told_by_webhook }}
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
