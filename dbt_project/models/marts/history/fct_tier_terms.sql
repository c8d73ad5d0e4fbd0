-- two readings that bear the same time are one: the later one counts
select
    program,
    tier_id,
    dbt_valid_from as valid_from_at,
    dbt_valid_to as valid_to_at,
    tier_name,
    tier_rank,
    icon_url,
    entry_basis,
    entry_threshold,
    retain_threshold,
    {{ currency_of('program') }} as currency,
    {{ to_json_value('thresholds_text') }} as thresholds,
    points_multiplier,
    is_active
from {{ ref('tier_catalogue') }}
where dbt_valid_to is null or dbt_valid_to > dbt_valid_from
