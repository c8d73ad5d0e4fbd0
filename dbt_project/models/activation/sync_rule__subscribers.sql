with profiles as (
    select * from {{ ref('int_loyalty__profiles_resolved') }}
),

common as (
    select * from {{ ref('int_loyalty__common_properties_joined') }}
),

yotpo_properties as (
    select * from {{ ref('int_yotpo__profile_properties_read') }}
)

select
    profiles.email,
    profiles.is_member as may_create_profile,
    common.loyalty_program,
    common.loyalty_points_balance,
    common.loyalty_best_reward_name,
    common.loyalty_best_reward_points,
    common.loyalty_next_reward_name,
    common.loyalty_next_reward_points,
    common.loyalty_points_to_next_reward,
    common.loyalty_next_reward_progress,
    common.loyalty_available_rewards,
    common.loyalty_available_rewards_count,
    common.loyalty_headline,
    common.loyalty_tier_name,
    common.loyalty_next_tier_name,
    common.loyalty_points_to_next_tier,
    common.loyalty_amount_to_next_tier,
    common.loyalty_tier_expires_at,
    common.loyalty_tier_at_risk,
    common.loyalty_points_expiring,
    common.loyalty_points_expire_at,
    common.loyalty_unused_coupons_count,
    common.loyalty_unused_coupon_code,
    common.loyalty_unused_coupon_expires_at,
    common.loyalty_referral_url,
    common.loyalty_segments,
    common.loyalty_synced_at,
    common.first_name as subscriber_first_name,
    common.last_name as subscriber_last_name,
    {{ date_from_parts('common.birth_year', 'common.birth_month', 'common.birth_day') }} as subscriber_birthday,
    yotpo.total_spend_cents as yotpo_total_spend_cents,
    yotpo.total_purchases as yotpo_total_purchases,
    yotpo.last_purchase_at as yotpo_last_purchase_at,
    yotpo.perks_redeemed as yotpo_perks_redeemed,
    yotpo.points_earned as yotpo_points_earned,
    yotpo.points_balance as yotpo_points_balance,
    yotpo.points_expire_at as yotpo_points_expire_at,
    yotpo.last_seen_at as yotpo_last_seen_at,
    profiles.yotpo_membership = 'member' as yotpo_is_member,
    yotpo.is_opted_in as yotpo_opt_in,
    yotpo.opted_in_at as yotpo_opt_in_date,
    yotpo.tier_points_earned as yotpo_tier_stats_current_points,
    yotpo.tier_amount_spent_cents as yotpo_tier_stats_current_amount_cents,
    yotpo.tier_purchases_made as yotpo_tier_stats_current_purchases,
    yotpo.tier_referrals_completed as yotpo_tier_stats_current_referrals,
    yotpo.keep_points as yotpo_tier_stats_needed_maintain_points,
    yotpo.keep_amount_cents as yotpo_tier_stats_needed_maintain_amount_cents,
    yotpo.keep_purchases as yotpo_tier_stats_needed_maintain_purchases,
    yotpo.keep_referrals as yotpo_tier_stats_needed_maintain_referrals,
    yotpo.next_points as yotpo_tier_stats_needed_next_points,
    yotpo.next_amount_cents as yotpo_tier_stats_needed_next_amount_cents,
    yotpo.next_purchases as yotpo_tier_stats_needed_next_purchases,
    yotpo.next_referrals as yotpo_tier_stats_needed_next_referrals,
    case
        when profiles.is_member then {{ list_joined(
            list_of([
                "'loyalty-member'",
                "'loyalty-tier-' || nullif(" ~ slug('common.loyalty_tier_name') ~ ", '')",
            ]),
            list_prefixed('common.loyalty_segments', "'loyalty-segment-'")
        ) }}
        else {{ empty_list() }}
    end as tags
from profiles
inner join common on profiles.email = common.email
-- Yotpo's own fields are for members; whoever left keeps only "is no member"
left join yotpo_properties as yotpo
    on
        profiles.yotpo_program = yotpo.program
        and profiles.yotpo_member_id = yotpo.member_id
        and profiles.yotpo_membership = 'member'
