with profiles as (
    select * from {{ ref('int_loyalty__profiles_resolved') }}
),

common as (
    select * from {{ ref('int_loyalty__common_properties_joined') }}
),

members as (
    select * from {{ ref('dim_members') }}
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
    smile.points_balance as smile_points_balance,
    smile.referral_url as smile_referral_url,
    smile.tier_name as smile_vip_tier_name,
    {{ try_cast('smile.tier_id', 'bigint') }} as smile_vip_tier_id,
    smile_people.source_state as smile_state,
    yotpo.points_balance as swell_point_balance,
    yotpo.points_earned as swell_points_earned,
    {{ iso_text('yotpo.points_expire_at') }} as swell_points_expire_at,
    yotpo.credit_balance as swell_credit_balance,
    yotpo.has_store_account as swell_has_account,
    yotpo.full_name as swell_name,
    yotpo.first_name as swell_first_name,
    yotpo.last_name as swell_last_name,
    yotpo.vip_tier_name as swell_vip_tier_name,
    yotpo.tier_ends_on as swell_vip_tier_ends_at,
    yotpo.tier_ends_on as swell_vt_ends_at_date,
    yotpo_members.referral_url as swell_referral_link,
    yotpo.tier_points_earned as swell_tier_points_earned,
    yotpo.next_points as swell_tier_points_needed,
    yotpo.tier_amount_spent_cents as swell_tier_amount_spent_cents,
    yotpo.next_amount_cents as swell_tier_amount_spend_needed_cents,
    yotpo.money_sign || {{ cents_to_units('yotpo.tier_amount_spent_cents') }} as swell_tier_amount_spent,
    yotpo.money_sign || {{ cents_to_units('yotpo.next_amount_cents') }} as swell_tier_amount_spend_needed,
    yotpo.tier_purchases_made as swell_tier_purchases_made,
    yotpo.next_purchases as swell_tier_purchases_needed,
    yotpo.tier_referrals_completed as swell_tier_referrals_completed,
    yotpo.next_referrals as swell_tier_referrals_needed,
    yotpo.birth_month as swell_birth_month,
    profiles.yotpo_membership = 'member' as loyalty_opt_in,
    yotpo.opted_in_on as loyalty_opt_in_date,
    yotpo.next_points_expire_on as loyalty_next_points_expire_on,
    yotpo.next_points_expire_amount as loyalty_next_points_expire_amount,
    yotpo.next_points as loyalty_nt_points,
    yotpo.next_amount_cents as loyalty_nt_amount_cents,
    yotpo.next_amount_cents_c as loyalty_nt_amount_cents_c,
    yotpo.next_purchases as loyalty_nt_purchases,
    yotpo.next_referrals as loyalty_nt_referrals,
    yotpo.keep_points as loyalty_mt_points,
    yotpo.keep_amount_cents as loyalty_mt_amount_cents,
    yotpo.keep_amount_cents_c as loyalty_mt_amount_cents_c,
    yotpo.keep_purchases as loyalty_mt_purchases,
    yotpo.keep_referrals as loyalty_mt_referrals
from profiles
inner join common on profiles.email = common.email
-- the state stays true to the source for everybody; all else is for members
left join members as smile_people
    on
        profiles.smile_program = smile_people.program
        and profiles.smile_member_id = smile_people.member_id
left join members as smile
    on
        profiles.smile_program = smile.program
        and profiles.smile_member_id = smile.member_id
        and smile.membership = 'member'
left join members as yotpo_members
    on
        profiles.yotpo_program = yotpo_members.program
        and profiles.yotpo_member_id = yotpo_members.member_id
        and yotpo_members.membership = 'member'
left join yotpo_properties as yotpo
    on
        yotpo_members.program = yotpo.program
        and yotpo_members.member_id = yotpo.member_id
