{#-
    First in, first out without stepping through rows. A member's granted points stand in a line in the order in which
    they came, and so do the points that were taken: the n-th point taken is the n-th point granted. Each ledger row
    covers one stretch of its line, (span_end - points, span_end]; where a granting and a taking row overlap, the one
    used the other. The one sort of the ledger is here, hence a table.
-#}
{{ config(materialized='table') }}

with ledger as (
    select * from {{ ref('fct_points_transactions') }}
    where deleted_at is null and points_change <> 0
),

members as (
    select * from {{ ref('int_loyalty__points_members_summed') }}
),

moved as (
    select
        members.member_number,
        ledger.transaction_id,
        ledger.occurred_at,
        {{ points_movement('ledger.transaction_kind', 'ledger.points_change') }} as movement,
        ledger.points_change > 0 as is_granted,
        abs(ledger.points_change) as points
    from ledger
    inner join members
        on
            ledger.program = members.program
            and ledger.member_id = members.member_id
)

select
    member_number,
    transaction_id,
    occurred_at,
    movement,
    is_granted,
    points,
    cast(sum(points) over (
        partition by member_number, is_granted
        order by occurred_at asc nulls first, transaction_id asc
        rows between unbounded preceding and current row
    ) as bigint) as span_end
from moved
