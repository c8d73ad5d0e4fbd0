{#- Who counts in the monthly KPIs, and when: months are counted back from the month of the clock, which is 0. -#}
{{ config(materialized='table') }}

with members as (
    select * from {{ ref('dim_members') }}
    where
        membership = 'member'
        and joined_at <= {{ loyalty_now() }}
        -- who came and went within one month is in none
        and (
            not is_deleted
            or {{ dbt.datediff('joined_at', 'least(coalesce(deleted_at, ' ~ loyalty_now() ~ '), ' ~ loyalty_now() ~ ')', 'month') }} > 0
        )
),

movements as (
    select * from {{ ref('int_loyalty__member_movements_summed') }}
)

select
    members.program,
    members.member_id,
    cast({{ dbt.date_trunc('month', 'members.joined_at') }} as date) as joined_month_on,
    {{ dbt.datediff('members.joined_at', loyalty_now(), 'month') }} as joined_months_ago,
    case
        when members.is_deleted
            then greatest(coalesce({{ dbt.datediff('members.deleted_at', loyalty_now(), 'month') }}, 0), 0)
    end as deleted_months_ago,
    movements.active_months,
    coalesce(
        {{ dbt.datediff('members.joined_at', 'movements.last_movement_at', 'day') }} <= {{ var('one_and_done_days') }}, true
    ) as is_one_and_done,
    greatest(
        {{ dbt.datediff('members.joined_at', 'movements.first_redeemed_at', 'day') }},
        case when movements.first_redeemed_at is not null then 0 end
    ) as days_to_first_redemption
from members
left join movements
    on
        members.program = movements.program
        and members.member_id = movements.member_id
