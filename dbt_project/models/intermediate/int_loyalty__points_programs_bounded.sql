{{ config(materialized='table') }}

with ledger as (
    select
        program,
        min(occurred_at) as first_moved_at
    from {{ ref('fct_points_transactions') }}
    where deleted_at is null
    group by program
)

select
    program,
    {{ points_day('first_moved_at', 'cast(' ~ loyalty_now() ~ ' as date)') }} as first_on,
    cast({{ loyalty_now() }} as date) as last_on
from ledger
