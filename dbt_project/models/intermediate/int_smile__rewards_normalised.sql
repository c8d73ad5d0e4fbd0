with products as (
    select * from {{ ref('stg_smile__points_products') }}
),

newest as (
    select * from {{ ref('int_loyalty__extracts_ordered') }}
    where resource = 'points_products' and is_newest
),

-- a reward that ended is dated by the complete list that no longer had it
missed as (
    select * from {{ missed_by_lists(ref('stg_smile__points_products'), 'points_products') }}
),

texts as (
    select * from {{ ref('int_loyalty__reward_texts_valued') }}
),

typed as (
    select
        products.*,
        coalesce(products.exchange_type = 'variable', false) as is_variable,
        products.extract_id >= coalesce(newest.extract_id, products.extract_id) as is_active,
        missed.deleted_at as ended_at
    from products
    left join newest on products.program = newest.program
    left join missed
        on
            products.program = missed.program
            and products.extract_id = missed.extract_id
)

select
    typed.program,
    typed.points_product_id as reward_id,
    typed.reward_name,
    coalesce(typed.reward_description, typed.exchange_description) as description,
    typed.reward_image_url as image_url,
    case when typed.is_variable then 'variable' else 'fixed' end as exchange_type,
    case when not typed.is_variable then typed.points_price end as points_price,
    case when typed.is_variable then typed.variable_points_min end as variable_min_points,
    case when typed.is_variable then typed.variable_points_max end as variable_max_points,
    case when typed.is_variable then typed.variable_points_step end as variable_step_points,
    case
        when typed.is_variable then cast(typed.variable_points_step_reward_value as decimal(18, 8))
    end as variable_step_value,
    case
        when typed.is_variable then 'variable_amount'
        else coalesce(texts.discount_type, 'unknown')
    end as discount_type,
    case when not typed.is_variable then texts.discount_value end as discount_value,
    true as is_purchasable,
    typed.is_active,
    typed.seen_at,
    typed.ended_at
from typed
left join texts on typed.reward_name = texts.reward_text
