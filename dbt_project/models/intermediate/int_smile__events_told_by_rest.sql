{#-
    What Smile's ledger and its list of coupons tell. The kinds of ledger texts are those of fct_points_transactions; it is
    not read here, because the whole record of a movement is only in staging, and joining the two largest tables costs
    more than classifying again.
-#}
{%- set first_at = dbt.dateadd('day', '-' ~ var('event_history_days'), loyalty_now()) -%}

with descriptions as (
    select
        description,
        case
            when is_order_earn then 'points_earned_on_order'
            when transaction_kind = 'redeem' then 'points_redeemed'
            when transaction_kind = 'earn' and {{ birthday_text('description') }} then 'birthday_reward_issued'
        end as event_type
    from {{ ref('int_loyalty__descriptions_classified') }}
    where vendor = 'smile'
),

-- the ledger is read once: it is the largest table of all
movements as (
    select
        transactions.*,
        descriptions.event_type
    from {{ ref('stg_smile__points_transactions') }} as transactions
    inner join descriptions on transactions.description = descriptions.description
    where
        transactions.created_at > {{ first_at }}
        and descriptions.event_type is not null
        and (transactions.points_change > 0) = (descriptions.event_type <> 'points_redeemed')
        and transactions.points_change <> 0
),

fulfillments as (
    select * from {{ ref('stg_smile__reward_fulfillments') }}
    where created_at > {{ first_at }}
),

members as (
    select
        program,
        member_id,
        email
    from {{ ref('int_loyalty__members_unioned') }}
    where vendor = 'smile'
),

products as (
    select * from {{ ref('int_loyalty__redemptions_matched') }}
),

-- no field joins a redemption to its coupon: only one of each in the same second belong together
lone_redemptions as (
    select
        program,
        customer_id,
        {{ epoch_second('created_at') }} as created_second,
        min(points_transaction_id) as points_transaction_id
    from movements
    where event_type = 'points_redeemed'
    group by program, customer_id, {{ epoch_second('created_at') }}
    having count(*) = 1
),

lone_fulfillments as (
    select
        program,
        customer_id,
        {{ epoch_second('created_at') }} as created_second,
        min(reward_fulfillment_id) as reward_fulfillment_id
    from fulfillments
    group by program, customer_id, {{ epoch_second('created_at') }}
    having count(*) = 1
),

pairs as (
    select
        lone_redemptions.program,
        lone_redemptions.points_transaction_id,
        {{ smile_fulfillment_json('fulfillments') }} as reward_fulfillment
    from lone_redemptions
    inner join lone_fulfillments
        on
            lone_redemptions.program = lone_fulfillments.program
            and lone_redemptions.customer_id = lone_fulfillments.customer_id
            and lone_redemptions.created_second = lone_fulfillments.created_second
    inner join fulfillments
        on
            lone_fulfillments.program = fulfillments.program
            and lone_fulfillments.reward_fulfillment_id = fulfillments.reward_fulfillment_id
),

-- a redemption has the fields of a points purchase (https://dev.smile.io/api/resources/points-purchases/points-purchase-object)
from_ledger as (
    select
        movements.program,
        movements.event_type,
        movements.customer_id as member_id,
        movements.points_transaction_id as thing,
        movements.created_at as occurred_at,
        case
            when movements.event_type = 'points_redeemed'
                then {{ json_object_of({
                    'points_transaction_id': json_id('movements.points_transaction_id'),
                    'customer_id': json_id('movements.customer_id'),
                    'points_product_id': json_id('products.reward_id'),
                    'points_spent': '-movements.points_change',
                    'description': 'movements.description',
                    'reward_fulfillment': 'pairs.reward_fulfillment',
                    'created_at': iso_millisecond_text('movements.created_at'),
                    'updated_at': iso_millisecond_text('movements.updated_at'),
                }) }}
            else {{ smile_transaction_json('movements') }}
        end as properties
    from movements
    left join products
        on
            movements.program = products.program
            and movements.description = products.description
            and movements.event_type = 'points_redeemed'
    left join pairs
        on
            movements.program = pairs.program
            and movements.points_transaction_id = pairs.points_transaction_id
            and movements.event_type = 'points_redeemed'
    where movements.event_type <> 'birthday_reward_issued'
),

-- a birthday is rewarded once a year: with a coupon, with points, or with both
birthday_gifts as (
    select
        fulfillments.program,
        fulfillments.customer_id as member_id,
        fulfillments.created_at as occurred_at,
        0 as gift_order,
        fulfillments.reward_fulfillment_id as gift_id,
        {{ smile_fulfillment_json('fulfillments') }} as properties
    from fulfillments
    where {{ birthday_text('fulfillments.name') }}
    union all
    select
        movements.program,
        movements.customer_id as member_id,
        movements.created_at as occurred_at,
        1 as gift_order,
        movements.points_transaction_id as gift_id,
        {{ smile_transaction_json('movements') }} as properties
    from movements
    where movements.event_type = 'birthday_reward_issued'
),

birthdays as (
    select
        program,
        'birthday_reward_issued' as event_type,
        member_id,
        cast(extract(year from occurred_at) as {{ dbt.type_string() }}) as thing,
        occurred_at,
        properties
    from (
        select
            *,
            row_number() over (
                partition by program, member_id, extract(year from occurred_at)
                order by gift_order, occurred_at, {{ id_order('gift_id') }}, gift_id
            ) as gift_number
        from birthday_gifts
    ) as numbered
    where gift_number = 1
),

happened as (
    select * from from_ledger
    union all
    select * from birthdays
)

select
    happened.program,
    'smile' as vendor,
    {{ event_id(['happened.member_id', 'happened.thing'], 'happened.program', 'happened.event_type') }} as event_id,
    happened.event_type,
    happened.member_id,
    members.email,
    false as is_about_friend,
    happened.occurred_at,
    happened.properties,
    'rest' as origin,
    cast(null as {{ dbt.type_string() }}) as near_key
from happened
left join members
    on
        happened.program = members.program
        and happened.member_id = members.member_id
