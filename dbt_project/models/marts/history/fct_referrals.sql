with referrals as (
    select * from {{ ref('int_yotpo__referrals_observed') }}
),

observations as (
    select
        *,
        min(recorded_at) over (partition by program) as first_recorded_at
    from {{ ref('yotpo_referrals') }}
),

-- Yotpo tells no date: a referral is dated by the first reading that showed it, and what the first build found is of any age
dated as (
    select
        program,
        referral_id,
        min(dbt_valid_from) as first_seen_at,
        min(case when status = 'started' and recorded_at > first_recorded_at then dbt_valid_from end) as started_at,
        min(case when status = 'completed' and recorded_at > first_recorded_at then dbt_valid_from end) as completed_at
    from observations
    group by program, referral_id
)

select
    referrals.program,
    referrals.referral_id,
    referrals.referrer_member_id,
    referrals.friend_email,
    referrals.status,
    dated.started_at,
    case when referrals.status = 'completed' then dated.completed_at end as completed_at,
    dated.first_seen_at,
    cast(referrals.referral_points as bigint) as referral_points,
    referrals.friend_last_seen_at
from referrals
left join dated
    on
        referrals.program = dated.program
        and referrals.referral_id = dated.referral_id
