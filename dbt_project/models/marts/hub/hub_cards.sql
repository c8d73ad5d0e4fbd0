{#- Everything but the coupons comes from tables that hold members only, so that nobody else is shown any of it. -#}
{%- set remainders = ['points_to_next_tier', 'amount_to_next_tier', 'purchases_to_next_tier', 'referrals_to_next_tier'] -%}

with members as (
    select
        *,
        -- keys that find nothing for those who may not see it
        case when membership = 'member' then program end as member_program,
        case when membership <> 'excluded' then program end as coupon_program,
        greatest(coalesce(points_balance, 0), 0) as spendable_points
    from {{ ref('dim_members') }}
    where not is_deleted
),

member_tiers as (
    select * from {{ ref('fct_member_tiers') }}
),

tiers as (
    select * from {{ ref('dim_tiers') }}
),

rewards as (
    select * from {{ ref('fct_member_rewards') }}
),

reward_lists as (
    select * from {{ ref('int_loyalty__reward_lists_built') }}
),

coupon_lists as (
    select * from {{ ref('int_loyalty__coupon_lists_built') }}
),

earning_lists as (
    select * from {{ ref('int_loyalty__earning_lists_built') }}
)

select
    members.program,
    members.member_id,
    members.email,
    members.membership,
    members.hub_state,
    member_tiers.tier_id,
    case when members.member_program is not null then members.tier_name end as tier_name,
    case when members.member_program is not null then members.tier_icon_url end as tier_icon_url,
    member_tiers.tier_expires_at,
    member_tiers.next_tier_id,
    tiers.tier_name as next_tier_name,
    {%- for remainder in remainders %}
    member_tiers.{{ remainder }},
    {%- endfor %}
    rewards.points_balance,
    rewards.headline_reward_id,
    rewards.headline_points_needed,
    rewards.headline_text,
    rewards.next_reward_id,
    rewards.next_reward_name,
    rewards.next_reward_points,
    rewards.points_to_next_reward,
    rewards.next_reward_progress,
    coalesce(rewards.eligible_reward_count, 0) as available_reward_count,
    coalesce(reward_lists.available_rewards, {{ empty_json_list() }}) as available_rewards,
    coalesce(coupon_lists.coupon_count, 0) as coupon_count,
    coalesce(coupon_lists.coupons, {{ empty_json_list() }}) as coupons,
    case when members.member_program is not null then members.referral_url end as referral_url,
    coalesce(earning_lists.ways_to_earn, {{ empty_json_list() }}) as ways_to_earn,
    {{ currency_of('members.program') }} as currency
from members
left join member_tiers
    on
        members.program = member_tiers.program
        and members.member_id = member_tiers.member_id
left join tiers
    on
        member_tiers.program = tiers.program
        and member_tiers.next_tier_id = tiers.tier_id
left join rewards
    on
        members.program = rewards.program
        and members.member_id = rewards.member_id
left join reward_lists
    on
        members.member_program = reward_lists.program
        and members.spendable_points = reward_lists.spendable_points
left join coupon_lists
    on
        members.coupon_program = coupon_lists.program
        and members.member_id = coupon_lists.member_id
left join earning_lists
    on
        members.member_program = earning_lists.program
        and members.tier_id is not distinct from earning_lists.tier_id
