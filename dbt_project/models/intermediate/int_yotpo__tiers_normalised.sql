with tiers as (
    select * from {{ ref('stg_yotpo__vip_tiers') }}
),

newest as (
    select * from {{ ref('int_loyalty__extracts_ordered') }}
    where resource = 'vip_tiers' and is_newest
),

-- a tier that ended is dated by the complete list that no longer had it
missed as (
    select * from {{ missed_by_lists(ref('stg_yotpo__vip_tiers'), 'vip_tiers') }}
),

counted as (
    select
        tiers.*,
        {%- for kind in ['entry', 'retain'] %}
        {%- for name, key in {
            'points': 'points_earned',
            'amount_cents': 'amount_spent_cents',
            'purchases': 'purchases_made',
            'referrals': 'referrals_completed',
        }.items() %}
        coalesce({{ try_cast(json_text(kind ~ '_threshold', key), 'bigint') }}, 0) as {{ kind }}_{{ name }},
        {%- endfor %}
        {%- endfor %}
        tiers.extract_id >= coalesce(newest.extract_id, tiers.extract_id) as is_active,
        coalesce(missed.deleted_at, tiers.seen_at) as state_seen_at
    from tiers
    left join newest on tiers.program = newest.program
    left join missed
        on
            tiers.program = missed.program
            and tiers.extract_id = missed.extract_id
),

based as (
    select
        *,
        case
            when
                (case when entry_points > 0 then 1 else 0 end)
                + (case when entry_amount_cents > 0 then 1 else 0 end)
                + (case when entry_purchases > 0 then 1 else 0 end)
                + (case when entry_referrals > 0 then 1 else 0 end) > 1
                then 'mixed'
            when entry_points > 0 then 'points'
            when entry_amount_cents > 0 then 'amount'
            when entry_purchases > 0 then 'purchases'
            when entry_referrals > 0 then 'referrals'
        end as own_basis,
        case
            when entry_points + entry_amount_cents + entry_purchases + entry_referrals > 0
                then
                    case when entry_points > 0 then 'p' else '-' end
                    || case when entry_amount_cents > 0 then 'a' else '-' end
                    || case when entry_purchases > 0 then 'b' else '-' end
                    || case when entry_referrals > 0 then 'r' else '-' end
        end as own_units
    from counted
),

-- a tier whose thresholds are all 0 counts what the programme's other tiers count
program_basis as (
    select
        program,
        case when min(own_basis) = max(own_basis) then min(own_basis) else 'mixed' end as entry_basis,
        min(own_units) = max(own_units) as is_comparable
    from based
    where own_basis is not null and is_active
    group by program
),

resolved as (
    select
        based.*,
        coalesce(based.own_basis, program_basis.entry_basis) as entry_basis,
        coalesce(program_basis.is_comparable, true) as is_comparable
    from based
    left join program_basis on based.program = program_basis.program
)

select
    program,
    vip_tier_id as tier_id,
    name as tier_name,
    description,
    case
        when is_active then row_number() over (
            partition by program, is_active
            order by
                -- 500 points and 200 dollars cannot be compared: there the order of the answer counts
                case when own_units is null then 0 else 1 end,
                case when is_comparable then entry_points end,
                case when is_comparable then entry_amount_cents end,
                case when is_comparable then entry_purchases end,
                case when is_comparable then entry_referrals end,
                list_position, {{ id_order('vip_tier_id') }}
        )
    end as tier_rank,
    cast(null as {{ dbt.type_string() }}) as icon_url,
    entry_basis,
    {%- for kind in ['entry', 'retain'] %}
    case entry_basis
        when 'points' then cast({{ kind }}_points as decimal(18, 2))
        when 'amount' then {{ cents_to_units(kind ~ '_amount_cents') }}
        when 'purchases' then cast({{ kind }}_purchases as decimal(18, 2))
        when 'referrals' then cast({{ kind }}_referrals as decimal(18, 2))
    end as {{ kind }}_threshold,
    {%- endfor %}
    {{ json_object_of({
        'entry': to_json_value('entry_threshold'),
        'retain': to_json_value('retain_threshold'),
        'regain': to_json_value('regain_threshold'),
    }) }} as thresholds,
    {{ try_cast('points_multiplier', 'decimal(9, 4)') }} as points_multiplier,
    {{ to_json_value("null") }} as perks,
    {{ json_object_of({'points': 'points_reward', 'coupon': 'coupon_reward'}) }} as entry_rewards,
    is_active,
    state_seen_at,
    {%- for kind in ['entry', 'retain'] %}
    {{ kind }}_points,
    {{ kind }}_amount_cents,
    {{ kind }}_purchases,
    {{ kind }}_referrals{% if not loop.last %},{% endif %}
    {%- endfor %}
from resolved
