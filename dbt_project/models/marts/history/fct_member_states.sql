-- two readings that bear the same time are one: the later one counts
select
    program,
    member_id,
    dbt_valid_from as valid_from_at,
    dbt_valid_to as valid_to_at,
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
    {{ currency_of('program') }} as currency
from {{ ref('member_states') }}
where dbt_valid_to is null or dbt_valid_to > dbt_valid_from
