{#- Everything that a condition of a segment may ask of a member. Days are calendar days in UTC; 0 = today. -#}
{{ config(materialized='table') }}

{%- set today = 'cast(' ~ loyalty_now() ~ ' as date)' -%}
{%- set is_ledger_known = 'movements.member_id is not null or histories.is_history_known' -%}
{%- set this_year = 'extract(year from ' ~ loyalty_now() ~ ')' -%}

with members as (
    select * from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

histories as (
    select
        program,
        member_id,
        is_history_known
    from {{ ref('int_loyalty__members_unioned') }}
),

movements as (
    select * from {{ ref('int_loyalty__member_movements_summed') }}
),

rewards as (
    select * from {{ ref('fct_member_rewards') }}
),

member_tiers as (
    select * from {{ ref('fct_member_tiers') }}
),

coupons as (
    select * from {{ ref('int_loyalty__coupons_counted') }}
),

referrals as (
    select
        program,
        referrer_member_id,
        count(*) as completed_referral_count
    from {{ ref('fct_referrals') }}
    where status = 'completed'
    group by program, referrer_member_id
),

tier_changes as (
    select
        program,
        member_id,
        max(changed_at) as last_changed_at,
        max(case when direction = 'up' then changed_at end) as last_up_at,
        max(case when direction <> 'up' then changed_at end) as last_other_at
    from {{ ref('fct_tier_changes') }}
    group by program, member_id
),

balances as (
    select
        program,
        {{ percentile('points_balance', '(100 - ' ~ var('segment_top_balance_percent') ~ ') / 100.0') }} as top_balance_points
    from members
    where points_balance > 0
    group by program
),

tiers as (
    select
        program,
        max(tier_rank) as top_tier_rank
    from {{ ref('dim_tiers') }}
    where is_active
    group by program
),

birthdays as (
    select
        program,
        member_id,
        {{ birthday_in(this_year, 'birth_month', 'birth_day') }} as this_year_on,
        {{ birthday_in(this_year ~ ' + 1', 'birth_month', 'birth_day') }} as next_year_on
    from members
    where birth_month is not null and birth_day is not null
)

select
    members.program,
    members.member_id,
    members.points_balance,
    balances.top_balance_points,
    members.tier_rank,
    tiers.top_tier_rank,
    {{ dbt.datediff('members.joined_at', loyalty_now(), 'day') }} as days_since_join,
    {{ dbt.datediff('coalesce(members.last_activity_at, members.joined_at)', loyalty_now(), 'day') }} as days_since_activity,
    {{ dbt.datediff('movements.last_order_at', loyalty_now(), 'day') }} as days_since_order,
    -- of whoever has no history yet, nobody knows that there was nothing
    {%- for count in ['earn_count', 'order_count', 'redemption_count'] %}
    case when {{ is_ledger_known }} then coalesce(movements.{{ count }}, 0) end as {{ count }},
    {%- endfor %}
    coalesce(movements.recent_redemption_count, 0) as recent_redemption_count,
    case
        when movements.order_points > 0 then {{ integer_divide('movements.order_points', 'movements.order_count') }}
    end as usual_order_points,
    coalesce(referrals.completed_referral_count, 0) as completed_referral_count,
    rewards.eligible_reward_count,
    rewards.points_to_next_reward,
    member_tiers.points_to_next_tier,
    member_tiers.amount_to_next_tier,
    member_tiers.purchases_to_next_tier,
    member_tiers.referrals_to_next_tier,
    member_tiers.is_tier_at_risk,
    case
        when tier_changes.last_up_at > coalesce(tier_changes.last_other_at, cast('0001-01-01' as timestamp)) then 'up'
        when tier_changes.last_changed_at is not null then 'other'
    end as last_tier_direction,
    {{ dbt.datediff('tier_changes.last_changed_at', loyalty_now(), 'day') }} as days_since_tier_change,
    members.points_expiring,
    case
        when members.points_expire_at > {{ loyalty_now() }}
            then {{ dbt.datediff(loyalty_now(), 'members.points_expire_at', 'day') }}
    end as days_to_points_expiry,
    coalesce(coupons.coupon_count, 0) as usable_coupon_count,
    {{ dbt.datediff(loyalty_now(), 'coupons.expires_at', 'day') }} as days_to_coupon_expiry,
    {{ dbt.datediff(today, 'case when birthdays.this_year_on >= ' ~ today ~ ' then birthdays.this_year_on else birthdays.next_year_on end', 'day') }}
        as days_to_birthday
from members
left join histories
    on
        members.program = histories.program
        and members.member_id = histories.member_id
left join movements
    on
        members.program = movements.program
        and members.member_id = movements.member_id
left join rewards
    on
        members.program = rewards.program
        and members.member_id = rewards.member_id
left join member_tiers
    on
        members.program = member_tiers.program
        and members.member_id = member_tiers.member_id
left join coupons
    on
        members.program = coupons.program
        and members.member_id = coupons.member_id
left join referrals
    on
        members.program = referrals.program
        and members.member_id = referrals.referrer_member_id
left join tier_changes
    on
        members.program = tier_changes.program
        and members.member_id = tier_changes.member_id
left join balances on members.program = balances.program
left join tiers on members.program = tiers.program
left join birthdays
    on
        members.program = birthdays.program
        and members.member_id = birthdays.member_id
