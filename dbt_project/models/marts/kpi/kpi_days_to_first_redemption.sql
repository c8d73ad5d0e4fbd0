with lives as (
    select * from {{ ref('int_loyalty__member_lives_measured') }}
),

counted as (
    select
        program,
        joined_month_on,
        count(*) as member_count,
        count(days_to_first_redemption) as redeemed_member_count,
        {{ percentile('days_to_first_redemption', 0.25) }} as p25_days,
        {{ percentile('days_to_first_redemption', 0.5) }} as median_days,
        {{ percentile('days_to_first_redemption', 0.75) }} as p75_days,
        {{ percentile('days_to_first_redemption', 0.9) }} as p90_days
    from lives
    group by program, joined_month_on
)

select
    program,
    joined_month_on as cohort_month_on,
    member_count,
    redeemed_member_count,
    {{ share_of('redeemed_member_count', 'member_count') }} as member_redemption_rate,
    cast(p25_days as integer) as p25_days,
    cast(median_days as integer) as median_days,
    cast(p75_days as integer) as p75_days,
    cast(p90_days as integer) as p90_days
from counted
