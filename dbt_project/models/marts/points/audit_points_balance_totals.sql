with members as (
    select * from {{ ref('int_loyalty__members_unioned') }}
),

ledger as (
    select * from {{ ref('int_loyalty__points_members_summed') }}
),

days as (
    select * from {{ ref('kpi_points_daily') }}
),

bounds as (
    select * from {{ ref('int_loyalty__points_programs_bounded') }}
),

balances as (
    select
        members.program,
        sum(coalesce(members.points_balance, 0)) as balance_points,
        sum(case when not members.is_history_known and not members.is_deleted then 1 else 0 end) as unknown_history_member_count,
        sum(
            case
                when not members.is_history_known and not members.is_deleted
                    then coalesce(members.points_balance, 0) - coalesce(ledger.ledger_points, 0)
                else 0
            end
        ) as unknown_history_points
    from members
    left join ledger
        on
            members.program = ledger.program
            and members.member_id = ledger.member_id
    group by members.program
),

closed as (
    select
        days.program,
        days.closing_points
    from days
    inner join bounds
        on
            days.program = bounds.program
            and days.day_on = bounds.last_on
)

select
    balances.program,
    cast(balances.balance_points as bigint) as balance_points,
    cast(coalesce(closed.closing_points, 0) as bigint) as ledger_points,
    cast(balances.balance_points - coalesce(closed.closing_points, 0) as bigint) as difference_points,
    cast(balances.unknown_history_member_count as bigint) as unknown_history_member_count,
    cast(balances.unknown_history_points as bigint) as unknown_history_points
from balances
left join closed on balances.program = closed.program
where balances.balance_points <> coalesce(closed.closing_points, 0)
