with assumptions as (
    select * from {{ ref('liability_assumptions') }}
)

select
    program,
    cost_per_point,
    currency,
    expected_breakage_rate,
    effective_on,
    lead(effective_on) over (partition by program order by effective_on) as replaced_on
from assumptions
