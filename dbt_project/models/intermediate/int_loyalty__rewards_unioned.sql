{#- Both catalogues under one name, with the smallest valid spend and whether points can buy the reward at all. -#}
{{ config(materialized='table') }}

{%- set columns = [
    'program', 'reward_id', 'reward_name', 'description', 'image_url', 'exchange_type', 'points_price',
    'variable_min_points', 'variable_max_points', 'variable_step_points', 'variable_step_value', 'discount_type',
    'discount_value', 'is_purchasable', 'is_active', 'seen_at', 'ended_at',
] %}

with rewards as (
    {%- for vendor in ['smile', 'yotpo'] %}
    select {{ columns | join(', ') }} from {{ ref('int_' ~ vendor ~ '__rewards_normalised') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

stepped as (
    select
        *,
        case when variable_step_points > 0 then variable_step_points else 1 end as step_points
    from rewards
),

-- the first valid spend: the smallest multiple of the step that reaches the minimum
priced as (
    select
        *,
        case exchange_type
            when 'variable'
                then {{ integer_divide(
                    'greatest(coalesce(variable_min_points, 0), step_points) + step_points - 1', 'step_points'
                ) }} * step_points
            else points_price
        end as price_points
    from stepped
)

select
    {{ columns | reject('equalto', 'is_purchasable') | join(',\n    ') }},
    step_points,
    price_points,
    coalesce(
        is_purchasable
        and price_points >= 0
        and (exchange_type <> 'variable' or variable_max_points is null or variable_max_points >= price_points),
        false
    ) as is_buyable
from priced
