{#- Smile counts points or money (variable smile_tier_basis); the other unit stays null. -#}
{%- set counts_points = var('smile_tier_basis') == 'points' -%}

with customers as (
    select
        program,
        customer_id,
        next_vip_tier_id,
        -- in the highest tier nothing is left to reach
        case when next_vip_tier_id is not null then delta_to_next_vip_tier end as delta_to_next,
        case
            when delta_to_retain_vip_tier is not null then delta_to_retain_vip_tier
            -- with an end in sight, no remainder means enough; without an end there is nothing to keep
            when coalesce(vip_tier_expires_at, current_vip_period_end) is not null then 0
        end as delta_to_keep
    from {{ ref('stg_smile__customers') }}
)

select
    program,
    customer_id as member_id,
    next_vip_tier_id as next_tier_id,
    {% if counts_points -%}
    cast(ceil(delta_to_next) as bigint) as points_to_next_tier,
    cast(null as decimal(18, 2)) as amount_to_next_tier,
    {%- else -%}
    cast(null as bigint) as points_to_next_tier,
    cast(delta_to_next as decimal(18, 2)) as amount_to_next_tier,
    {%- endif %}
    cast(null as bigint) as purchases_to_next_tier,
    cast(null as bigint) as referrals_to_next_tier,
    {% if counts_points -%}
    cast(ceil(delta_to_keep) as bigint) as points_to_keep_tier,
    cast(null as decimal(18, 2)) as amount_to_keep_tier,
    {%- else -%}
    cast(null as bigint) as points_to_keep_tier,
    cast(delta_to_keep as decimal(18, 2)) as amount_to_keep_tier,
    {%- endif %}
    cast(null as bigint) as purchases_to_keep_tier,
    cast(null as bigint) as referrals_to_keep_tier
from customers
