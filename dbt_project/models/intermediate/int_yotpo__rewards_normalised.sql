with options as (
    select * from {{ ref('stg_yotpo__redemption_options') }}
),

newest as (
    select * from {{ ref('int_loyalty__extracts_ordered') }}
    where resource = 'redemption_options' and is_newest
),

-- a reward that ended is dated by the complete list that no longer had it
missed as (
    select * from {{ missed_by_lists(ref('stg_yotpo__redemption_options'), 'redemption_options') }}
),

typed as (
    select
        options.*,
        coalesce(options.discount_type = 'variable', false) as is_variable,
        options.extract_id >= coalesce(newest.extract_id, options.extract_id) as is_active,
        missed.deleted_at as ended_at
    from options
    left join newest on options.program = newest.program
    left join missed
        on
            options.program = missed.program
            and options.extract_id = missed.extract_id
)

select
    program,
    redemption_option_id as reward_id,
    name as reward_name,
    description,
    -- an icon is the address of an image or the name of one in a font
    case when icon like '%://%' then icon end as image_url,
    case when is_variable then 'variable' else 'fixed' end as exchange_type,
    case when not is_variable then nullif(amount, 0) end as points_price,
    case when is_variable then greatest(coalesce(amount, 1), 1) end as variable_min_points,
    cast(null as bigint) as variable_max_points,
    case when is_variable then cast(1 as bigint) end as variable_step_points,
    case
        when is_variable
            then cast(cast(discount_rate_cents as decimal(18, 6)) * cast(0.01 as decimal(3, 2)) as decimal(18, 8))
    end as variable_step_value,
    case discount_type
        when 'fixed_amount' then 'fixed_amount'
        when 'percentage' then 'percentage'
        when 'variable' then 'variable_amount'
        when 'shipping' then 'free_shipping'
        when 'product' then 'free_product'
        when 'custom' then 'custom'
        when 'donation' then 'donation'
        else 'unknown'
    end as discount_type,
    case
        when discount_type = 'percentage' then cast(discount_percentage as decimal(18, 2))
        when discount_type in ('fixed_amount', 'donation')
            then {{ cents_to_units('coalesce(discount_amount_cents, discount_value_cents)') }}
        when discount_type in ('product', 'custom') then {{ cents_to_units('discount_value_cents') }}
    end as discount_value,
    -- an amount of 0 marks a coupon that is given, not bought; a variable one without a rate is worth nothing
    case
        when is_variable then coalesce(discount_rate_cents, 0) > 0
        else coalesce(amount, 0) > 0
    end as is_purchasable,
    is_active,
    seen_at,
    ended_at
from typed
