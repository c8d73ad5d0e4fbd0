{#- A table, because every model about lots starts from these sums: one pass over the ledger instead of one each. -#}
{{ config(materialized='table') }}

with ledger as (
    select
        program,
        member_id,
        points_change
    from {{ ref('fct_points_transactions') }}
    where deleted_at is null and member_id is not null
),

summed as (
    select
        program,
        member_id,
        cast(sum(case when points_change > 0 then points_change else 0 end) as bigint) as granted_points,
        cast(-sum(case when points_change < 0 then points_change else 0 end) as bigint) as consumed_points
    from ledger
    group by program, member_id
)

select
    program,
    member_id,
    -- a number sorts and joins faster than programme and text, twenty million times
    row_number() over (order by program, member_id) as member_number,
    granted_points,
    consumed_points,
    granted_points - consumed_points as ledger_points
from summed
