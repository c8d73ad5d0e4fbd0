{%- set today = 'cast(' ~ loyalty_now() ~ ' as date)' -%}

with coupons as (
    select
        program,
        status,
        value_amount,
        cast(least(coalesce(issued_at, {{ loyalty_now() }}), {{ loyalty_now() }}) as date) as issued_on,
        -- whoever tells no day of the end ended it on the day of issue, the only one that is known
        case
            when status = 'used' then cast(coalesce(used_at, issued_at) as date)
            when status = 'expired' then cast(expires_at as date)
            when status = 'cancelled' then cast(coalesce(deleted_at, issued_at) as date)
        end as ended_on
    from {{ ref('fct_coupons') }}
    where status not in ('pending', 'failed')
),

-- nothing ends before it was issued, or later than today
dated as (
    select
        program,
        status,
        value_amount,
        issued_on,
        case
            when status in ('used', 'expired', 'cancelled')
                then least(greatest(coalesce(ended_on, issued_on), issued_on), {{ today }})
        end as ended_on
    from coupons
),

movements as (
    select
        program,
        issued_on as on_date,
        count(*) as issued_count,
        sum(value_amount) as issued_value,
        0 as used_count,
        0 as expired_count,
        0 as cancelled_count,
        count(case when status <> 'untracked' then 1 end) as usable_change,
        sum(case when status <> 'untracked' then value_amount end) as value_change,
        count(case when status <> 'untracked' then value_amount end) as valued_change,
        count(case when status = 'untracked' then 1 end) as untracked_change
    from dated
    group by program, issued_on
    union all
    select
        program,
        ended_on as on_date,
        0 as issued_count,
        null as issued_value,
        count(case when status = 'used' then 1 end) as used_count,
        count(case when status = 'expired' then 1 end) as expired_count,
        count(case when status = 'cancelled' then 1 end) as cancelled_count,
        -count(*) as usable_change,
        -sum(value_amount) as value_change,
        -count(value_amount) as valued_change,
        0 as untracked_change
    from dated
    where ended_on is not null
    group by program, ended_on
),

first_days as (
    select
        program,
        min(on_date) as first_on
    from movements
    group by program
),

days as (
    select
        starts.program,
        series.on_date
    from {{ date_series('(select min(first_on) from first_days)', loyalty_now()) }} as series
    inner join first_days as starts on series.on_date >= starts.first_on
),

summed as (
    select
        days.program,
        days.on_date,
        {%- for count in [
            'issued_count', 'issued_value', 'used_count', 'expired_count', 'cancelled_count', 'usable_change',
            'value_change', 'valued_change', 'untracked_change',
        ] %}
        coalesce(sum(movements.{{ count }}), 0) as {{ count }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from days
    left join movements
        on
            days.program = movements.program
            and days.on_date = movements.on_date
    group by days.program, days.on_date
)

select
    program,
    on_date as day_on,
    cast(issued_count as bigint) as issued_count,
    cast(issued_value as decimal(18, 2)) as issued_value,
    cast(used_count as bigint) as used_count,
    cast(expired_count as bigint) as expired_count,
    cast(cancelled_count as bigint) as cancelled_count,
    cast(sum(usable_change) over to_date as bigint) as usable_count,
    cast(sum(value_change) over to_date as decimal(18, 2)) as usable_value,
    cast(sum(valued_change) over to_date as bigint) as valued_usable_count,
    cast(sum(untracked_change) over to_date as bigint) as untracked_count,
    {{ currency_of('program') }} as currency
from summed
window to_date as (partition by program order by on_date rows between unbounded preceding and current row)
