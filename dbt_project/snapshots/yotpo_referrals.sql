{% snapshot yotpo_referrals %}

{{
    config(
        unique_key=['program', 'referral_id'],
        strategy='check',
        check_cols=['status'],
        updated_at='seen_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    referral_id,
    status,
    {{ loyalty_now() }} as recorded_at,
    seen_at
from {{ ref('int_yotpo__referrals_observed') }}

{% endsnapshot %}
