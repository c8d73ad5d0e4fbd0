with tiers as (
    select * from {{ ref('stg_smile__vip_tiers') }}
),

newest as (
    select * from {{ ref('int_loyalty__extracts_ordered') }}
    where resource = 'vip_tiers' and is_newest
),

-- a tier that ended is dated by the complete list that no longer had it
missed as (
    select * from {{ missed_by_lists(ref('stg_smile__vip_tiers'), 'vip_tiers') }}
),

marked as (
    select
        tiers.*,
        tiers.extract_id >= coalesce(newest.extract_id, tiers.extract_id) as is_active,
        coalesce(missed.deleted_at, tiers.seen_at) as state_seen_at
    from tiers
    left join newest on tiers.program = newest.program
    left join missed
        on
            tiers.program = missed.program
            and tiers.extract_id = missed.extract_id
)

select
    program,
    vip_tier_id as tier_id,
    name as tier_name,
    cast(null as {{ dbt.type_string() }}) as description,
    case
        when is_active then row_number() over (
            partition by program, is_active order by milestone, {{ id_order('vip_tier_id') }}
        )
    end as tier_rank,
    image_url as icon_url,
    '{{ var("smile_tier_basis") }}' as entry_basis,
    cast(milestone as decimal(18, 2)) as entry_threshold,
    cast(milestone as decimal(18, 2)) as retain_threshold,
    {{ json_object_of({'milestone': 'milestone'}) }} as thresholds,
    cast(null as decimal(9, 4)) as points_multiplier,
    {{ to_json_value('perks') }} as perks,
    {{ to_json_value('entry_rewards') }} as entry_rewards,
    is_active,
    state_seen_at
from marked
