with rewards as (
    select * from {{ ref('int_loyalty__rewards_unioned') }}
),

first_seen as (
    select
        program,
        reward_id,
        min(dbt_valid_from) as first_seen_at
    from {{ ref('reward_catalogue') }}
    group by program, reward_id
)

select
    rewards.program,
    rewards.reward_id,
    rewards.reward_name,
    rewards.description,
    rewards.image_url,
    rewards.exchange_type,
    rewards.points_price,
    rewards.variable_min_points,
    rewards.variable_max_points,
    rewards.variable_step_points,
    rewards.variable_step_value,
    rewards.discount_type,
    rewards.discount_value,
    {{ currency_of('rewards.program') }} as currency,
    rewards.is_active,
    rewards.is_buyable,
    first_seen.first_seen_at,
    rewards.seen_at as last_seen_at
from rewards
left join first_seen
    on
        rewards.program = first_seen.program
        and rewards.reward_id = first_seen.reward_id
