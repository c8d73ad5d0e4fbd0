{%- set columns = [
    'program', 'tier_id', 'tier_name', 'description', 'tier_rank', 'icon_url', 'entry_basis', 'entry_threshold',
    'retain_threshold', 'thresholds', 'points_multiplier', 'perks', 'entry_rewards', 'is_active',
] -%}

with final as (
    {%- for vendor in ['smile', 'yotpo'] %}
    select {{ columns | join(', ') }} from {{ ref('int_' ~ vendor ~ '__tiers_normalised') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    program,
    tier_id,
    tier_name,
    description,
    tier_rank,
    icon_url,
    entry_basis,
    entry_threshold,
    retain_threshold,
    {{ currency_of('program') }} as currency,
    thresholds,
    points_multiplier,
    perks,
    entry_rewards,
    is_active
from final
