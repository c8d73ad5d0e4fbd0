with cohorts as (
    select * from {{ ref('int_loyalty__points_cohorts_attributed') }}
),

assumptions as (
    select * from {{ ref('int_loyalty__liability_assumptions_ranged') }}
),

-- the estimate that was in force when the month ended; of the running month, today's
dated as (
    select
        *,
        least(
            cast({{ dbt.last_day('month_on', 'month') }} as date), cast({{ loyalty_now() }} as date)
        ) as judged_on
    from cohorts
)

select
    dated.program,
    dated.month_on,
    dated.issued_points,
    dated.reimbursed_points,
    dated.spent_points,
    dated.expired_points,
    dated.withdrawn_points,
    dated.forfeited_points,
    dated.outstanding_points,
    cast(
        cast(dated.expired_points + dated.forfeited_points as decimal(18, 4)) / dated.issued_points as decimal(5, 4)
    ) as breakage_rate,
    cast(
        cast(dated.expired_points + dated.forfeited_points + dated.outstanding_points as decimal(18, 4))
        / dated.issued_points as decimal(5, 4)
    ) as highest_breakage_rate,
    assumptions.expected_breakage_rate,
    dated.outstanding_points = 0 as is_settled
from dated
left join assumptions
    on
        dated.program = assumptions.program
        and dated.judged_on >= assumptions.effective_on
        and (dated.judged_on < assumptions.replaced_on or assumptions.replaced_on is null)
