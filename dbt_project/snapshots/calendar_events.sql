{% snapshot calendar_events %}

{#- An event of the calendar stays told: only what is not known yet is added, nothing is changed or ended. -#}
{{
    config(
        unique_key='event_id',
        strategy='check',
        check_cols=['event_type'],
        updated_at='occurred_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    vendor,
    event_id,
    event_type,
    member_id,
    email,
    occurred_at,
    properties
from {{ ref('int_loyalty__calendar_days_reached') }}

{% endsnapshot %}
