{#-
    What a reminder or an occasion was followed by. Counted from the moment when it fell due, whether or not any vendor
    took it: who was told and who was not are then measured by the same clock. Deliveries are joined in
    kpi_nudge_effects_monthly, which is computed again after each sync; here lies what takes long.
-#}
{%- set longest = var('nudge_window_days') | max -%}

with nudges as (
    select
        events.program,
        events.event_id,
        events.event_type,
        events.member_id,
        events.occurred_at as due_at,
        {{ dbt.dateadd('day', longest, 'events.occurred_at') }} as until_at,
        -- of a loss the reading of the next morning would be taken for another one
        events.event_type <> 'vip_tier_lost' as is_tier_to_keep
    from {{ ref('fct_loyalty_events') }} as events
    inner join {{ ref('loyalty_event_types') }} as types
        on
            events.vendor = types.vendor
            and events.event_type = types.event_type
    where types.is_nudge and events.member_id is not null and not events.is_about_friend
),

months as (
    select
        program,
        event_type,
        member_id,
        {{ dbt.date_trunc('month', 'due_at') }} as month_at,
        count(*) as month_nudge_count
    from nudges
    group by program, event_type, member_id, {{ dbt.date_trunc('month', 'due_at') }}
    having count(*) > 1
),

actions as (
    select
        program,
        member_id,
        transaction_kind,
        occurred_at
    from {{ ref('fct_points_transactions') }}
    where (transaction_kind = 'redeem' or is_order_earn) and deleted_at is null
),

-- at the same moment is not after it: the order that brought the tier is no answer to it
answered as (
    select
        nudges.event_id,
        min(case when actions.transaction_kind = 'redeem' then actions.occurred_at end) as redeemed_at,
        min(case when actions.transaction_kind <> 'redeem' then actions.occurred_at end) as ordered_at
    from nudges
    inner join actions
        on
            nudges.program = actions.program
            and nudges.member_id = actions.member_id
            and nudges.due_at < actions.occurred_at
            and nudges.until_at >= actions.occurred_at
    group by nudges.event_id
),

held as (
    select
        nudges.event_id,
        states.tier_id
    from nudges
    inner join {{ ref('fct_member_states') }} as states
        on
            nudges.program = states.program
            and nudges.member_id = states.member_id
            and nudges.due_at >= states.valid_from_at
            and nudges.due_at < coalesce(states.valid_to_at, cast('9999-12-31' as timestamp))
    where nudges.is_tier_to_keep and states.membership = 'member' and not states.is_deleted and states.tier_id is not null
),

lost as (
    select
        nudges.event_id,
        min(changes.changed_at) as tier_lost_at
    from nudges
    inner join {{ ref('fct_tier_changes') }} as changes
        on
            nudges.program = changes.program
            and nudges.member_id = changes.member_id
            and nudges.due_at < changes.changed_at
            and nudges.until_at >= changes.changed_at
    where changes.direction in ('down', 'leave')
    group by nudges.event_id
)

select
    nudges.program,
    nudges.event_id,
    nudges.event_type,
    nudges.member_id,
    nudges.due_at,
    cast({{ dbt.date_trunc('month', 'nudges.due_at') }} as date) as month_on,
    coalesce(months.month_nudge_count, 1) as month_nudge_count,
    answered.redeemed_at,
    answered.ordered_at,
    held.tier_id,
    case when held.tier_id is not null then lost.tier_lost_at end as tier_lost_at,
    {{ loyalty_now() }} as observed_until_at
from nudges
left join months
    on
        nudges.program = months.program
        and nudges.event_type = months.event_type
        and nudges.member_id = months.member_id
        and {{ dbt.date_trunc('month', 'nudges.due_at') }} = months.month_at
left join answered on nudges.event_id = answered.event_id
left join held on nudges.event_id = held.event_id
left join lost on nudges.event_id = lost.event_id
