{#- The properties that mean the same for every programme, per e-mail; both destinations get them from here. -#}
{{ config(materialized='table') }}

with profiles as (
    select * from {{ ref('int_loyalty__profiles_resolved') }}
),

members as (
    select * from {{ ref('dim_members') }}
),

rewards as (
    select * from {{ ref('fct_member_rewards') }}
),

member_tiers as (
    select * from {{ ref('fct_member_tiers') }}
),

tiers as (
    select * from {{ ref('dim_tiers') }}
),

coupons as (
    select * from {{ ref('int_loyalty__coupons_counted') }}
),

segments as (
    select * from {{ ref('int_loyalty__member_segments_listed') }}
)

select
    profiles.email,
    profiles.is_member,
    members.first_name,
    members.last_name,
    members.birth_year,
    members.birth_month,
    members.birth_day,
    members.program as loyalty_program,
    members.points_balance as loyalty_points_balance,
    rewards.best_reward_name as loyalty_best_reward_name,
    rewards.best_reward_points as loyalty_best_reward_points,
    rewards.next_reward_name as loyalty_next_reward_name,
    rewards.next_reward_points as loyalty_next_reward_points,
    rewards.points_to_next_reward as loyalty_points_to_next_reward,
    cast(floor(rewards.next_reward_progress * 100) as bigint) as loyalty_next_reward_progress,
    rewards.available_reward_names as loyalty_available_rewards,
    rewards.eligible_reward_count as loyalty_available_rewards_count,
    rewards.headline_text as loyalty_headline,
    members.tier_name as loyalty_tier_name,
    tiers.tier_name as loyalty_next_tier_name,
    member_tiers.points_to_next_tier as loyalty_points_to_next_tier,
    member_tiers.amount_to_next_tier as loyalty_amount_to_next_tier,
    member_tiers.tier_expires_at as loyalty_tier_expires_at,
    member_tiers.is_tier_at_risk as loyalty_tier_at_risk,
    members.points_expiring as loyalty_points_expiring,
    members.points_expire_at as loyalty_points_expire_at,
    case
        when profiles.is_member then coalesce(coupons.coupon_count, 0)
        else coupons.coupon_count
    end as loyalty_unused_coupons_count,
    coupons.code as loyalty_unused_coupon_code,
    coupons.expires_at as loyalty_unused_coupon_expires_at,
    members.referral_url as loyalty_referral_url,
    case when profiles.is_member then coalesce(segments.segments, {{ empty_list() }}) end as loyalty_segments,
    case when profiles.is_member then {{ loyalty_now() }} end as loyalty_synced_at
from profiles
left join members
    on
        profiles.program = members.program
        and profiles.member_id = members.member_id
left join rewards
    on
        profiles.program = rewards.program
        and profiles.member_id = rewards.member_id
left join member_tiers
    on
        profiles.program = member_tiers.program
        and profiles.member_id = member_tiers.member_id
left join tiers
    on
        member_tiers.program = tiers.program
        and member_tiers.next_tier_id = tiers.tier_id
left join coupons
    on
        profiles.coupon_program = coupons.program
        and profiles.coupon_member_id = coupons.member_id
left join segments
    on
        profiles.program = segments.program
        and profiles.member_id = segments.member_id
