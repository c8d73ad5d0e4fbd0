with members as (
    select
        program,
        member_id,
        coalesce(points_balance, 0) as balance_points
    from {{ ref('int_loyalty__members_unioned') }}
    -- nobody can tie whose history is not known yet
    where is_history_known and not is_deleted
),

ledger as (
    select
        program,
        member_id,
        cast(sum(points_change) as bigint) as ledger_points
    from {{ ref('fct_points_transactions') }}
    where deleted_at is null
    group by program, member_id
)

select
    members.program,
    members.member_id,
    members.balance_points,
    coalesce(ledger.ledger_points, 0) as ledger_points,
    members.balance_points - coalesce(ledger.ledger_points, 0) as difference_points
from members
left join ledger
    on
        members.program = ledger.program
        and members.member_id = ledger.member_id
where members.balance_points <> coalesce(ledger.ledger_points, 0)
