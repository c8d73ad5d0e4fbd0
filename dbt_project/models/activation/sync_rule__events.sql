{#-
    Events as tag and fields, by the table that merchants edit (seed rule_event_tags); a type that is not in it is not
    told. Excluded and deleted people are told nothing.
-#}
with events as (
    select * from {{ ref('fct_loyalty_events') }}
    where email is not null
),

tags as (
    select * from {{ ref('rule_event_tags') }}
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
    events.event_type,
    nullif(trim(tags.tag), '') as tag,
    nullif(trim(tags.marker_tag), '') as marker_tag,
    tags.automation,
    events.occurred_at,
    case
        when events.vendor = 'smile' then {{ smile_rule_fields('events.properties') }}
        else {{ yotpo_rule_fields('events.properties', 'events.event_type', 'events.program') }}
    end as fields,
    events.is_first_load,
    events.is_about_friend as is_friend,
    coalesce(profiles.is_member, false) or events.is_about_friend as may_create_profile
from events
inner join tags
    on
        events.vendor = tags.vendor
        and events.event_type = tags.event_type
left join profiles on events.email = profiles.email
where
    events.email not in (select hidden.email from hidden)
    or coalesce(profiles.is_member, false)
