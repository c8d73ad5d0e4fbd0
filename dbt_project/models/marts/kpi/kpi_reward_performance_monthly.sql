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

counted as (
    select
        redemptions.program,
        cast({{ dbt.date_trunc('month', 'redemptions.occurred_at') }} as date) as month_on,
        coalesce(matched.reward_id, 'unmatched') as reward_id,
        count(*) as redemption_count,
        -sum(redemptions.points_change) as redeemed_points,
        count(distinct redemptions.member_id) as member_count
    from redemptions
    left join matched
        on
            redemptions.program = matched.program
            and redemptions.description = matched.description
    group by
        redemptions.program,
        cast({{ dbt.date_trunc('month', 'redemptions.occurred_at') }} as date),
        coalesce(matched.reward_id, 'unmatched')
)

select
    counted.program,
    counted.month_on,
    counted.reward_id,
    rewards.reward_name,
    counted.reward_id <> 'unmatched' as is_matched,
    counted.redemption_count,
    cast(counted.redeemed_points as bigint) as redeemed_points,
    counted.member_count
from counted
left join rewards
    on
        counted.program = rewards.program
        and counted.reward_id = rewards.reward_id
