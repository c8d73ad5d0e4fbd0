{% snapshot member_segments %}

{{
    config(
        unique_key=['program', 'member_id', 'segment'],
        strategy='check',
        check_cols=['segment'],
        updated_at='seen_at',
        hard_deletes='invalidate',
    )
}}

select
    program,
    member_id,
    segment,
    seen_at
from {{ ref('int_loyalty__member_segments_exploded') }}

{% endsnapshot %}
