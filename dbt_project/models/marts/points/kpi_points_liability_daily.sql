with days as (
    select
        *,
        closing_points - deleted_member_points as outstanding_points
    from {{ ref('kpi_points_daily') }}
),

assumptions as (
    select * from {{ ref('int_loyalty__liability_assumptions_ranged') }}
),

valued as (
    select
        days.program,
        days.day_on,
        days.outstanding_points,
        assumptions.cost_per_point,
        assumptions.expected_breakage_rate,
        assumptions.effective_on as assumptions_effective_on,
        assumptions.currency,
        cast(
            cast(days.outstanding_points as decimal(18, 0)) * assumptions.cost_per_point as decimal(18, 2)
        ) as gross_amount
    from days
    left join assumptions
        on
            days.program = assumptions.program
            and days.day_on >= assumptions.effective_on
            and (days.day_on < assumptions.replaced_on or assumptions.replaced_on is null)
),

-- rounded once: what is not breakage is the liability, so the three amounts add up to the cent
broken as (
    select
        *,
        cast(gross_amount * expected_breakage_rate as decimal(18, 2)) as expected_breakage_amount
    from valued
)

select
    program,
    day_on,
    outstanding_points,
    cost_per_point,
    expected_breakage_rate,
    assumptions_effective_on,
    gross_amount,
    expected_breakage_amount,
    cast(gross_amount - expected_breakage_amount as decimal(18, 2)) as liability_amount,
    currency
from broken
