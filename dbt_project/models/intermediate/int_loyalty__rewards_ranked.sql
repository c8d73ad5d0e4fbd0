{#- The rewards that members can have now, with the parts of the best-reward order that no balance changes. -#}
{{ config(materialized='table') }}

with rewards as (
    select * from {{ ref('int_loyalty__rewards_unioned') }}
    where is_active and is_buyable
),

priorities as (
    select
        program,
        reward_id,
        min(priority) as priority
    from {{ ref('reward_priority') }}
    group by program, reward_id
)

select
    rewards.program,
    rewards.reward_id,
    rewards.reward_name,
    rewards.exchange_type,
    rewards.price_points,
    rewards.step_points,
    rewards.variable_max_points,
    rewards.variable_step_value,
    case
        when rewards.exchange_type = 'fixed' and rewards.discount_type <> 'percentage' then rewards.discount_value
    end as money_value,
    coalesce(priorities.priority, 2147483647) as priority,
    row_number() over (
        partition by rewards.program
        order by
            case rewards.exchange_type when 'fixed' then 0 else 1 end,
            {{ id_order('rewards.reward_id') }},
            rewards.reward_id
    ) as tie_order
from rewards
left join priorities
    on
        rewards.program = priorities.program
        and rewards.reward_id = priorities.reward_id
