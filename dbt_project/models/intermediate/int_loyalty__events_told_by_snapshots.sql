{#-
    What two readings, one after the other, tell: a tier reached or lost, a member who came or left, progress towards the
    next tier. What the first reading found is of any age and tells nothing, unless the vendor dates it itself.
-#}
{%- set text = dbt.type_string() -%}
{%- set progress = "coalesce(cast(points_to_next_tier as " ~ text ~ "), '') || '/' || coalesce(cast(amount_to_next_tier as " ~ text
    ~ "), '') || '/' || coalesce(cast(purchases_to_next_tier as " ~ text ~ "), '') || '/' || coalesce(cast(referrals_to_next_tier as "
    ~ text ~ "), '')" -%}

with states as (
    select * from {{ ref('fct_member_states') }}
),

members as (
    select
        program,
        vendor,
        member_id,
        email,
        first_name,
        last_name,
        referral_url,
        joined_at
    from {{ ref('dim_members') }}
),

profiles as (
    select * from {{ ref('int_yotpo__profile_properties_read') }}
),

first_readings as (
    select
        program,
        min(valid_from_at) as first_read_at
    from states
    group by program
),

tiers as (
    select
        tiers.program,
        tiers.tier_id,
        tiers.tier_name,
        tiers.description,
        tiers.icon_url,
        tiers.tier_rank,
        tiers.points_multiplier,
        tiers.entry_threshold,
        vendor_tiers.entry_threshold as entry_thresholds
    from {{ ref('dim_tiers') }} as tiers
    left join {{ ref('stg_yotpo__vip_tiers') }} as vendor_tiers
        on
            tiers.program = vendor_tiers.program
            and tiers.tier_id = vendor_tiers.vip_tier_id
),

-- Yotpo's members only: what changed from one reading to the next
compared as (
    select
        states.program,
        states.member_id,
        states.valid_from_at as occurred_at,
        states.membership,
        states.is_deleted,
        states.tier_id,
        states.points_to_next_tier,
        states.amount_to_next_tier,
        states.purchases_to_next_tier,
        states.referrals_to_next_tier,
        lag(states.membership) over member_readings as previous_membership,
        lag(states.tier_id) over member_readings as previous_tier_id,
        {{ progress }} as progress,
        lag({{ progress }}) over member_readings as previous_progress
    from states
    inner join members
        on
            states.program = members.program
            and states.member_id = members.member_id
    where members.vendor = 'yotpo'
    window member_readings as (partition by states.program, states.member_id order by states.valid_from_at)
),

changes as (
    select
        changes.program,
        changes.member_id,
        changes.changed_at as occurred_at,
        changes.from_tier_id,
        changes.to_tier_id,
        changes.direction,
        members.vendor,
        -- the tier that somebody had already when first seen, without a date of the vendor's
        changes.direction = 'enter'
        and changes.changed_at = changes.observed_at
        and coalesce(members.joined_at <= first_readings.first_read_at, true)
        and not exists (
            select 1 from states as earlier
            where
                earlier.program = changes.program
                and earlier.member_id = changes.member_id
                and earlier.valid_from_at < changes.observed_at
        ) as is_old,
        coalesce(states.membership = 'member' and not states.is_deleted, false) as is_member_then
    from {{ ref('fct_tier_changes') }} as changes
    inner join members
        on
            changes.program = members.program
            and changes.member_id = members.member_id
    inner join first_readings on changes.program = first_readings.program
    left join states
        on
            changes.program = states.program
            and changes.member_id = states.member_id
            and changes.observed_at = states.valid_from_at
),

tier_events as (
    select
        changes.program,
        changes.vendor,
        case
            when changes.vendor = 'smile' then 'vip_tier_achieved'
            when changes.direction in ('enter', 'up') then 'vip_tier_earned'
            else 'vip_tier_lost'
        end as event_type,
        changes.member_id,
        changes.occurred_at,
        coalesce(changes.to_tier_id, 'none') as thing,
        changes.member_id || '|' || coalesce(changes.to_tier_id, 'none') as near_key,
        case
            when changes.vendor = 'smile'
                then {{ json_object_of({
                    'previous_vip_tier': smile_tier_json('old_tiers'),
                    'current_vip_tier': smile_tier_json('new_tiers'),
                }) }}
            else {{ json_without_nulls(json_object_of({
                'topic': "case when changes.direction in ('enter', 'up') then 'swell/tier/earned' else 'swell/tier/lost' end",
                'name': "case when changes.direction in ('enter', 'up') then 'Swell Tier Earned' else 'Swell Tier Lost' end",
                'new_tier': yotpo_tier_json('new_tiers'),
                'old_tier': yotpo_tier_json('old_tiers'),
                'customer': yotpo_customer_then_json('changes.occurred_at'),
            })) }}
        end as properties
    from changes
    left join members
        on
            changes.program = members.program
            and changes.member_id = members.member_id
    left join profiles
        on
            changes.program = profiles.program
            and changes.member_id = profiles.member_id
    left join tiers as old_tiers
        on
            changes.program = old_tiers.program
            and changes.from_tier_id = old_tiers.tier_id
    left join tiers as new_tiers
        on
            changes.program = new_tiers.program
            and changes.to_tier_id = new_tiers.tier_id
    where
        not changes.is_old
        and (
            changes.direction = 'up'
            {%- if var('base_tier_entry_is_event') %}
            or changes.direction = 'enter'
            {%- else %}
            -- everybody is put in the base tier (https://support.yotpo.com/v1/docs/loyalty-opt-in): no achievement
            or (changes.direction = 'enter' and new_tiers.entry_threshold is distinct from 0)
            {%- endif %}
            -- whoever left the programme did not lose the tier for want of points
            or (changes.vendor = 'yotpo' and changes.direction in ('down', 'leave') and changes.is_member_then)
        )
),

opt_events as (
    select
        compared.program,
        'yotpo' as vendor,
        case when compared.membership = 'member' then 'loyalty_opt_in' else 'loyalty_opt_out' end as event_type,
        compared.member_id,
        compared.occurred_at,
        '' as thing,
        compared.member_id as near_key,
        {{ json_object_of({
            'topic': "case when compared.membership = 'member' then 'loyalty/opt_in' else 'loyalty/opt_out' end",
            'name': "case when compared.membership = 'member' then 'Loyalty Opt In' else 'Loyalty Opt Out' end",
            'customer': yotpo_customer_then_json('compared.occurred_at', {
                'email': 'compared.member_id',
                'is_opt_in': "compared.membership = 'member'",
            }),
        }) }} as properties
    from compared
    left join members
        on
            compared.program = members.program
            and compared.member_id = members.member_id
    left join profiles
        on
            compared.program = profiles.program
            and compared.member_id = profiles.member_id
    where
        compared.membership <> compared.previous_membership
        and not compared.is_deleted
        and (compared.membership = 'member' or compared.previous_membership = 'member')
),

progress_events as (
    select
        compared.program,
        'yotpo' as vendor,
        'vip_tier_status_change' as event_type,
        compared.member_id,
        compared.occurred_at,
        compared.progress as thing,
        compared.member_id as near_key,
        {{ json_without_nulls(json_object_of({
            'topic': "'swell/tier/status/changed'",
            'name': "'Swell Tier Status Changed'",
            'vip_stats_needed_next': json_object_of({
                'points_needed': 'compared.points_to_next_tier',
                'amount_cents_needed': 'cast(compared.amount_to_next_tier * 100 as bigint)',
                'purchases_needed': 'compared.purchases_to_next_tier',
                'referrals_needed': 'compared.referrals_to_next_tier',
            }),
            'customer': yotpo_customer_then_json('compared.occurred_at'),
        })) }} as properties
    from compared
    left join members
        on
            compared.program = members.program
            and compared.member_id = members.member_id
    left join profiles
        on
            compared.program = profiles.program
            and compared.member_id = profiles.member_id
    where
        compared.membership = 'member'
        and not compared.is_deleted
        and compared.previous_membership = 'member'
        and compared.tier_id is not null
        and compared.tier_id = compared.previous_tier_id
        and compared.progress <> compared.previous_progress
),

happened as (
    select * from tier_events
    union all
    select * from opt_events
    union all
    select * from progress_events
),

-- whatever happens twice within a day between the same states is told once
numbered as (
    select
        *,
        row_number() over (
            partition by program, event_type, member_id, thing, cast(occurred_at as date) order by occurred_at
        ) as day_number
    from happened
)

select
    numbered.program,
    numbered.vendor,
    {{ event_id(
        ['numbered.member_id', 'numbered.thing', 'cast(numbered.occurred_at as date)'],
        'numbered.program', 'numbered.event_type'
    ) }} as event_id,
    numbered.event_type,
    numbered.member_id,
    members.email,
    false as is_about_friend,
    numbered.occurred_at,
    numbered.properties,
    'snapshot' as origin,
    numbered.near_key
from numbered
left join members
    on
        numbered.program = members.program
        and numbered.member_id = members.member_id
where numbered.day_number = 1
