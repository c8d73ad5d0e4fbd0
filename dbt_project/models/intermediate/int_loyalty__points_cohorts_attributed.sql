{#-
    What became of the points granted in a month. Row by row, by overlap of spans (int_loyalty__points_spanned): the
    join meets each stretch of points about once, so it is exact and needs no rounding to months. A table, so that this
    is done once.
-#}
{{ config(materialized='table') }}

with spans as (
    select * from {{ ref('int_loyalty__points_spanned') }}
),

gone as (
    select
        program,
        member_id
    from {{ ref('dim_members') }}
    where is_deleted
),

members as (
    select
        summed.program,
        summed.member_number,
        summed.consumed_points,
        gone.member_id is not null as is_gone
    from {{ ref('int_loyalty__points_members_summed') }} as summed
    left join gone
        on
            summed.program = gone.program
            and summed.member_id = gone.member_id
),

bounds as (
    select * from {{ ref('int_loyalty__points_programs_bounded') }}
),

granted as (
    select
        members.program,
        members.is_gone,
        spans.member_number,
        {{ dbt.date_trunc('month', points_day('spans.occurred_at', 'bounds.first_on')) }} as month_on,
        spans.movement,
        spans.points,
        spans.span_end - spans.points as span_start,
        spans.span_end,
        least(spans.points, greatest(spans.span_end - members.consumed_points, 0)) as remaining_points
    from spans
    inner join members on spans.member_number = members.member_number
    inner join bounds on members.program = bounds.program
    where spans.is_granted
),

taken as (
    select
        member_number,
        case movement when 'redeemed' then 'spent' when 'expired' then 'expired' else 'withdrawn' end as fate,
        span_end - points as span_start,
        span_end
    from spans
    where not is_granted
),

used as (
    select
        granted.program,
        granted.month_on,
        taken.fate,
        sum(
            least(granted.span_end, taken.span_end) - greatest(granted.span_start, taken.span_start)
        ) as points
    from granted
    inner join taken
        on
            granted.member_number = taken.member_number
            and granted.span_start < taken.span_end
            and granted.span_end > taken.span_start
    group by granted.program, granted.month_on, taken.fate
),

held as (
    select
        program,
        month_on,
        case
            when remaining_points = 0 then 'nothing left'
            when is_gone then 'forfeited'
            else 'outstanding'
        end as fate,
        points as issued_points,
        case when movement = 'reimbursed' then points else 0 end as reimbursed_points,
        remaining_points as points
    from granted
),

issued as (
    select
        program,
        month_on,
        fate,
        sum(issued_points) as issued_points,
        sum(reimbursed_points) as reimbursed_points,
        sum(points) as points
    from held
    group by program, month_on, fate
),

final as (
    select
        program,
        month_on,
        fate,
        issued_points,
        reimbursed_points,
        points
    from issued
    union all
    select
        program,
        month_on,
        fate,
        0 as issued_points,
        0 as reimbursed_points,
        points
    from used
)

select
    program,
    cast(month_on as date) as month_on,
    cast(sum(issued_points) as bigint) as issued_points,
    cast(sum(reimbursed_points) as bigint) as reimbursed_points,
    {%- for fate in ['spent', 'expired', 'withdrawn', 'forfeited', 'outstanding'] %}
    cast(sum(case when fate = '{{ fate }}' then points else 0 end) as bigint) as {{ fate }}_points{% if not loop.last %},{% endif %}
    {%- endfor %}
from final
group by program, month_on
