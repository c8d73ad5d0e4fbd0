{% snapshot smile_member_tiers %}

{{
    config(
        unique_key=['program', 'member_id'],
        strategy='check',
        check_cols=['tier_id'],
        updated_at='seen_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    member_id,
    tier_id,
    seen_at
from {{ ref('int_smile__member_tiers_observed') }}

{% endsnapshot %}
