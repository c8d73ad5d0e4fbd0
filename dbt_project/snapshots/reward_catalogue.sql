{% snapshot reward_catalogue %}

{{
    config(
        unique_key=['program', 'reward_id'],
        strategy='check',
        check_cols=[
            'reward_name', 'exchange_type', 'points_price', 'variable_min_points', 'variable_max_points',
            'variable_step_points', 'variable_step_value', 'discount_type', 'discount_value', 'is_active',
        ],
        updated_at='seen_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    reward_id,
    reward_name,
    exchange_type,
    points_price,
    variable_min_points,
    variable_max_points,
    variable_step_points,
    variable_step_value,
    discount_type,
    discount_value,
    is_active,
    -- a reward that ended was seen for the last time before it ended: its end is dated by the list without it
    case when is_active then seen_at else coalesce(ended_at, {{ loyalty_now() }}) end as seen_at
from {{ ref('int_loyalty__rewards_unioned') }}

{% endsnapshot %}
