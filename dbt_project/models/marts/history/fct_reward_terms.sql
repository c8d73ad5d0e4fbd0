-- two readings that bear the same time are one: the later one counts
select
    program,
    reward_id,
    dbt_valid_from as valid_from_at,
    dbt_valid_to as valid_to_at,
    reward_name,
    exchange_type,
    points_price,
    variable_min_points,
    variable_max_points,
    variable_step_points,
    variable_step_value,
    discount_type,
    discount_value,
    {{ currency_of('program') }} as currency,
    is_active
from {{ ref('reward_catalogue') }}
where dbt_valid_to is null or dbt_valid_to > dbt_valid_from
