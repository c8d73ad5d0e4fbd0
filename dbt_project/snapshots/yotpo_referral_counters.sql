{% snapshot yotpo_referral_counters %}

{{
    config(
        unique_key='program',
        strategy='check',
        check_cols=['shared_total_count', 'clicked_total_count', 'ordered_total_count'],
        updated_at='seen_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    shared_total_count,
    clicked_total_count,
    ordered_total_count,
    seen_at
from {{ ref('int_yotpo__referral_counters_summed') }}

{% endsnapshot %}
