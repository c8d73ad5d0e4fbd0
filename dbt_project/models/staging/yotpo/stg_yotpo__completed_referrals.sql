with

source as (
    select * from {{ source('raw_yotpo', 'completed_referrals') }}
),

details as (
    select
        program,
        email_key,
        extract_id,
        is_found
    from {{ source('raw_yotpo', 'customer_details') }}
),

-- rows that the newest details no longer brought are gone; of a member whom the vendor no longer knows the last ones stay
current_rows as (
    select
        source.program,
        source.extract_id,
        source.seen_at,
        source.email_key,
        {{ normalised_email('source.friend_email') }} as friend_email,
        source.first_name,
        source.last_name,
        source.referral_points_contributed,
        source.last_seen_at,
        source.reward_type,
        source.referral_status
    from source
    inner join details
        on
            source.program = details.program
            and source.email_key = details.email_key
    where
        source.extract_id = details.extract_id
        or not coalesce(details.is_found, true)
)

select
    program,
    extract_id,
    {{ utc_timestamp('seen_at') }} as seen_at,
    email_key,
    friend_email,
    first_name,
    last_name,
    referral_points_contributed,
    {{ utc_timestamp('last_seen_at') }} as last_seen_at,
    reward_type,
    referral_status
from {{ deduplicated('current_rows', ['program', 'email_key', 'friend_email']) }} as completed_referrals
