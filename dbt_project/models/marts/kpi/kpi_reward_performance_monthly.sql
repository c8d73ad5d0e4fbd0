with redemptions as (
    select * from {{ ref('fct_points_transactions') }}
    where transaction_kind = 'redeem' and deleted_at is null
),

matched as (
    select * from {{ ref('int_loyalty__redemptions_matched') }}
),

rewards as (
    select * from {{ ref('dim_rewards') }}
),

-- texts first, of which there are few
summed as (
    select
        program,
        {{ dbt.date_trunc('month', 'occurred_at') }} as month_at,
        description,
        member_id,
        count(*) as redemption_count,
        -sum(points_change) as redeemed_points
    from redemptions
    group by program, {{ dbt.date_trunc('month', 'occurred_at') }}, description, member_id
),

counted as (
    select
        summed.program,
        cast(summed.month_at as date) as month_on,
        coalesce(matched.reward_id, 'unmatched') as reward_id,
        sum(summed.redemption_count) as redemption_count,
        sum(summed.redeemed_points) as redeemed_points,
        count(distinct summed.member_id) as member_count
    from summed
    left join matched
        on
            summed.program = matched.program
            and summed.description = matched.description
    group by summed.program, cast(summed.month_at as date), coalesce(matched.reward_id, 'unmatched')
)

select
    counted.program,
    counted.month_on,
    counted.reward_id,
    rewards.reward_name,
    counted.reward_id <> 'unmatched' as is_matched,
    cast(counted.redemption_count as bigint) as redemption_count,
    cast(counted.redeemed_points as bigint) as redeemed_points,
    counted.member_count
from counted
left join rewards
    on
        counted.program = rewards.program
        and counted.reward_id = rewards.reward_id
