{% snapshot member_states %}

{{
    config(
        unique_key=['program', 'member_id'],
        strategy='check',
        check_cols=[
            'source_state', 'membership', 'is_deleted', 'points_balance', 'tier_id', 'is_tier_unknown',
            'tier_expires_at', 'next_tier_id', 'points_to_next_tier', 'amount_to_next_tier', 'purchases_to_next_tier',
            'referrals_to_next_tier',
        ],
        updated_at='seen_at',
        hard_deletes='ignore',
    )
}}

select
    program,
    member_id,
    source_state,
    membership,
    is_deleted,
    points_balance,
    tier_id,
    is_tier_unknown,
    tier_entered_at,
    tier_expires_at,
    next_tier_id,
    points_to_next_tier,
    amount_to_next_tier,
    purchases_to_next_tier,
    referrals_to_next_tier,
    seen_at
from {{ ref('int_loyalty__member_states_observed') }}

{% endsnapshot %}
