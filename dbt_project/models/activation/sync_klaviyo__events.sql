{#-
    Events under the names that the vendors' own integrations use, with the vendor's attributes as they are. Excluded and
    deleted people are told nothing. Swell Points Changed is left out: it is no metric of Yotpo's integration, and what
    changed the points is told as itself.
-#}
with events as (
    select * from {{ ref('fct_loyalty_events') }}
    where email is not null and event_type <> 'points_changed'
),

types as (
    select * from {{ ref('loyalty_event_types') }}
),

profiles as (
    select * from {{ ref('int_loyalty__profiles_resolved') }}
),

hidden as (
    select distinct email from {{ ref('dim_members') }}
    where (membership = 'excluded' or is_deleted) and email is not null
)

select
    events.event_id,
    events.email,
    case
        when {{ json_text('events.properties', 'topic') }} like 'yotpo/%'
            then coalesce(types.klaviyo_metric_new_referrals, types.klaviyo_metric)
        else types.klaviyo_metric
    end as metric,
    events.occurred_at,
    events.properties,
    -- what the vendors' integrations give as the value of an event is not documented
    cast(null as decimal(18, 2)) as value,
    cast(null as {{ dbt.type_string() }}) as value_currency,
    events.is_first_load,
    events.is_about_friend as is_friend,
    coalesce(profiles.is_member, false) or events.is_about_friend as may_create_profile
from events
inner join types
    on
        events.vendor = types.vendor
        and events.event_type = types.event_type
left join profiles on events.email = profiles.email
where
    events.email not in (select hidden.email from hidden)
    or coalesce(profiles.is_member, false)
