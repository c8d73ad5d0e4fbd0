{#- What the snapshot of referrals reads. Being listed as completed is the older programme's word for completed. -#}
select
    program,
    email_key as referrer_member_id,
    friend_email,
    {{ dbt.hash("program || '|' || email_key || '|' || coalesce(friend_email, '')") }} as referral_id,
    case
        when max(case when coalesce(lower(trim(referral_status)), 'completed') = 'completed' then 1 else 0 end) = 1
            then 'completed'
        else 'started'
    end as status,
    max(referral_points_contributed) as referral_points,
    max(last_seen_at) as friend_last_seen_at,
    coalesce(min(seen_at), {{ loyalty_now() }}) as seen_at
from {{ ref('stg_yotpo__completed_referrals') }}
group by program, email_key, friend_email
