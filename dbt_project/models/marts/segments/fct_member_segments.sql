with present as (
    select * from {{ ref('int_loyalty__member_segments_exploded') }}
),

-- a second build at the moment of an end leaves two periods that touch; the open one counts
periods as (
    select
        program,
        member_id,
        segment,
        max(dbt_valid_from) as entered_at
    from {{ ref('member_segments') }}
    where dbt_valid_to is null
    group by program, member_id, segment
)

select
    present.program,
    present.member_id,
    present.segment,
    cast(least(coalesce(periods.entered_at, present.seen_at), present.seen_at) as date) as entered_on
from present
left join periods
    on
        present.program = periods.program
        and present.member_id = periods.member_id
        and present.segment = periods.segment
