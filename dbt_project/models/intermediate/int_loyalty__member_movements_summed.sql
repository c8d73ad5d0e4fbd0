{#- All that segments and KPIs need to know of a member's ledger, in one pass over it. -#}
{{ config(materialized='table') }}

{%- set movement = "transaction_kind in ('earn', 'redeem')" -%}
{%- set months_ago = dbt.datediff('occurred_at', loyalty_now(), 'month') -%}

with ledger as (
    select * from {{ ref('fct_points_transactions') }}
    -- rows of nobody stay in the ledger and say nothing of a member
    where deleted_at is null and member_id is not null
)

select
    program,
    member_id,
    count(case when transaction_kind = 'earn' then 1 end) as earn_count,
    count(case when is_order_earn then 1 end) as order_count,
    cast(sum(case when is_order_earn then points_change end) as bigint) as order_points,
    max(case when is_order_earn then occurred_at end) as last_order_at,
    count(case when transaction_kind = 'redeem' then 1 end) as redemption_count,
    count(
        case
            when
                transaction_kind = 'redeem'
                and occurred_at > {{ dbt.dateadd('day', '-' ~ var('segment_recent_days'), loyalty_now()) }}
                then 1
        end
    ) as recent_redemption_count,
    min(case when transaction_kind = 'redeem' then occurred_at end) as first_redeemed_at,
    max(case when {{ movement }} then occurred_at end) as last_movement_at,
    {{ number_set('case when ' ~ movement ~ ' then ' ~ months_ago ~ ' end') }} as active_months
from ledger
group by program, member_id
