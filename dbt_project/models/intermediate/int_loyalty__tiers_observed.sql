{#- What the snapshot of tiers reads; JSON as text, so that it can be compared. -#}
{%- set columns = [
    'program', 'tier_id', 'tier_name', 'tier_rank', 'icon_url', 'entry_basis', 'entry_threshold', 'retain_threshold',
    'points_multiplier', 'is_active',
] -%}

{% for vendor in ['smile', 'yotpo'] -%}
select
    {{ columns | join(',\n    ') }},
    cast(thresholds as {{ dbt.type_string() }}) as thresholds_text,
    coalesce(state_seen_at, {{ loyalty_now() }}) as seen_at
from {{ ref('int_' ~ vendor ~ '__tiers_normalised') }}
{% if not loop.last %}
union all

{% endif %}
{%- endfor %}
