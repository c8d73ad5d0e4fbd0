{#- A table, because ledger, coupons and members read it. -#}
{{ config(materialized='table') }}

with items as (
    select
        *,
        lower(trim(coalesce(status, ''))) as status_text
    from {{ ref('stg_yotpo__history_items') }}
),

classed as (
    select
        *,
        case
            when status_text in ('', 'approved') then 'approved'
            when status_text in ('pending', 'reversed') then status_text
            when {{ regexp_found('status_text', "'^[0-9]+([.,][0-9]+)? ?%$'") }} then 'percentage'
            -- "50% complete"; of a redemption it would be a code such as 10%OFF
            when coalesce(points, 0) > 0 and {{ regexp_found('status_text', "'^[0-9]+([.,][0-9]+)? ?%'") }} then 'percentage'
            -- a custom reward and a donation have a word where other redemptions have a code
            when coalesce(points, 0) <= 0 and status_text in ('redeemed', 'donation') then 'redemption_without_code'
            when coalesce(points, 0) <= 0 then 'redemption'
            else 'approved'
        end as status_class
    from items
)

select
    program,
    email_key as member_id,
    history_item_id,
    coalesce(points, 0) as points_change,
    coalesce(action, action_name) as description,
    coalesce(completed_at, created_at) as occurred_at,
    created_at,
    completed_at,
    status_text,
    status,
    status_class,
    status_class in ('approved', 'redemption', 'redemption_without_code') as is_ledger_row,
    case when status_class = 'redemption' then trim(status) end as coupon_code,
    {{ json_length('order_ids') }} > 0 as has_order
from classed
