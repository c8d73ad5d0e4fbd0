with descriptions as (
    select * from {{ ref('int_loyalty__descriptions_classified') }}
),

missed as (
    select * from {{ missed_by_lists(ref('stg_smile__points_transactions'), 'points_transactions') }}
),

members as (
    select * from {{ ref('int_smile__members_normalised') }}
),

smile as (
    select
        transactions.program,
        transactions.points_transaction_id as transaction_id,
        transactions.customer_id as member_id,
        transactions.points_change,
        coalesce(
            descriptions.transaction_kind,
            case when transactions.points_change > 0 then 'earn' else 'adjust' end
        ) as transaction_kind,
        transactions.description,
        transactions.created_at as occurred_at,
        coalesce(descriptions.is_order_earn, false) as is_order_earn,
        cast(null as {{ dbt.type_string() }}) as coupon_code,
        descriptions.transaction_kind is not null as is_kind_known,
        -- whoever vanished took the rows along: they only count as gone if the customer was listed after them
        case
            when not coalesce(members.is_deleted, false) or members.last_extract_id > missed.list_extract_id
                then missed.deleted_at
        end as deleted_at
    from {{ ref('stg_smile__points_transactions') }} as transactions
    left join missed
        on
            transactions.program = missed.program
            and transactions.extract_id = missed.extract_id
    left join members
        on
            transactions.program = members.program
            and transactions.customer_id = members.member_id
            and missed.extract_id is not null
    left join descriptions
        on
            descriptions.vendor = 'smile'
            and transactions.description = descriptions.description
),

-- Yotpo's own status tells a redemption; an order id tells an order
yotpo as (
    select
        items.program,
        items.history_item_id as transaction_id,
        items.member_id,
        items.points_change,
        case
            when items.status_class in ('redemption', 'redemption_without_code') then 'redeem'
            when descriptions.transaction_kind is not null then descriptions.transaction_kind
            when items.points_change > 0 then 'earn'
            else 'adjust'
        end as transaction_kind,
        items.description,
        items.occurred_at,
        items.status_class = 'approved'
        and items.points_change > 0
        and coalesce(descriptions.is_order_earn, items.has_order) as is_order_earn,
        items.coupon_code,
        descriptions.transaction_kind is not null
        or items.status_class in ('redemption', 'redemption_without_code')
        or (items.has_order and items.points_change > 0) as is_kind_known,
        -- a member's history is replaced as a whole: what is gone is not in it any more
        cast(null as timestamp) as deleted_at
    from {{ ref('int_yotpo__history_items_parsed') }} as items
    left join descriptions
        on
            descriptions.vendor = 'yotpo'
            and items.description = descriptions.description
    where items.is_ledger_row
),

final as (
    select * from smile
    union all
    select * from yotpo
)

select
    program,
    transaction_id,
    member_id,
    points_change,
    transaction_kind,
    description,
    occurred_at,
    is_order_earn,
    coupon_code,
    is_kind_known,
    deleted_at
from final
