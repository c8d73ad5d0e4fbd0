{% snapshot tier_catalogue %}

{{
    config(
        unique_key=['program', 'tier_id'],
        strategy='check',
        check_cols=[
            'tier_name', 'tier_rank', 'icon_url', 'entry_basis', 'entry_threshold', 'retain_threshold',
            'points_multiplier', 'thresholds_text', 'is_active',
        ],
        updated_at='seen_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    tier_id,
    tier_name,
    tier_rank,
    icon_url,
    entry_basis,
    entry_threshold,
    retain_threshold,
    points_multiplier,
    thresholds_text,
    is_active,
    seen_at
from {{ ref('int_loyalty__tiers_observed') }}

{% endsnapshot %}
