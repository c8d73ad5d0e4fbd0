{%- set this_month = dbt.date_trunc('month', loyalty_now()) -%}
{%- set counters = ['shared', 'clicked', 'ordered'] -%}

-- a month that is run again knows nothing later than itself
with referrals as (
    select
        program,
        referrer_member_id,
        status,
        case when started_at is not null then least(started_at, {{ loyalty_now() }}) end as started_at,
        case when completed_at is not null then least(completed_at, {{ loyalty_now() }}) end as completed_at,
        least(first_seen_at, {{ loyalty_now() }}) as first_seen_at
    from {{ ref('fct_referrals') }}
),

-- of a month the last reading counts
readings as (
    select
        program,
        {{ dbt.date_trunc('month', 'dbt_valid_from') }} as month_at,
        {%- for counter in counters %}
        {{ counter }}_total_count,
        {%- endfor %}
        row_number() over (
            partition by program, {{ dbt.date_trunc('month', 'dbt_valid_from') }}
            order by dbt_valid_from desc, coalesce(dbt_valid_to, cast('9999-12-31' as timestamp)) desc
        ) as number_from_last
    from {{ ref('yotpo_referral_counters') }}
),

movements as (
    select
        program,
        cast({{ dbt.date_trunc('month', 'started_at') }} as date) as month_on,
        count(*) as started_count,
        0 as completed_count,
        0 as referrer_count
    from referrals
    where started_at is not null
    group by program, cast({{ dbt.date_trunc('month', 'started_at') }} as date)
    union all
    select
        program,
        cast({{ dbt.date_trunc('month', 'completed_at') }} as date) as month_on,
        0 as started_count,
        count(*) as completed_count,
        count(distinct referrer_member_id) as referrer_count
    from referrals
    where status = 'completed' and completed_at is not null
    group by program, cast({{ dbt.date_trunc('month', 'completed_at') }} as date)
),

undated as (
    select
        program,
        count(*) as undated_completed_count
    from referrals
    where status = 'completed' and completed_at is null
    group by program
),

first_months as (
    select
        program,
        min(month_on) as first_on
    from (
        select
            program,
            month_on
        from movements
        union all
        select
            program,
            cast(month_at as date) as month_on
        from readings
        union all
        select
            program,
            cast({{ dbt.date_trunc('month', 'first_seen_at') }} as date) as month_on
        from referrals
    ) as all_months
    group by program
),

months as (
    select
        starts.program,
        series.on_date as month_on
    from {{ date_series('(select min(first_on) from first_months)', this_month, 'month') }} as series
    inner join first_months as starts on series.on_date >= starts.first_on
),

summed as (
    select
        months.program,
        months.month_on,
        coalesce(sum(movements.started_count), 0) as started_count,
        coalesce(sum(movements.completed_count), 0) as completed_count,
        coalesce(sum(movements.referrer_count), 0) as referrer_count
    from months
    left join movements
        on
            months.program = movements.program
            and months.month_on = movements.month_on
    group by months.program, months.month_on
),

-- a month without a change of the counters ended with those of the last change before it
counted as (
    select
        months.program,
        months.month_on,
        {%- for counter in counters %}
        {{ first_by('readings.' ~ counter ~ '_total_count', [dbt.datediff('readings.month_at', 'months.month_on', 'month')]) }}
            as {{ counter }}_total_count{% if not loop.last %},{% endif %}
        {%- endfor %}
    from months
    inner join readings
        on
            months.program = readings.program
            and months.month_on >= readings.month_at
            and readings.number_from_last = 1
    group by months.program, months.month_on
),

previous as (
    select
        *,
        {%- for counter in counters %}
        lag({{ counter }}_total_count) over (partition by program order by month_on) as last_{{ counter }}_count{% if not loop.last %},{% endif %}
        {%- endfor %}
    from counted
),

-- totals fall when a referrer leaves; that is no share taken back
compared as (
    select
        *,
        {%- for counter in counters %}
        case
            when {{ counter }}_total_count >= last_{{ counter }}_count
                then {{ counter }}_total_count - last_{{ counter }}_count
            when {{ counter }}_total_count < last_{{ counter }}_count then 0
        end as {{ counter }}_count{% if not loop.last %},{% endif %}
        {%- endfor %}
    from previous
)

select
    summed.program,
    summed.month_on,
    cast({{ this_month }} as date) > summed.month_on as is_month_over,
    {%- for counter in counters %}
    cast(compared.{{ counter }}_count as bigint) as {{ counter }}_count,
    cast(compared.{{ counter }}_total_count as bigint) as {{ counter }}_total_count,
    {%- endfor %}
    cast(summed.started_count as bigint) as started_count,
    cast(summed.completed_count as bigint) as completed_count,
    cast(summed.referrer_count as bigint) as referrer_count,
    cast(
        coalesce(undated.undated_completed_count, 0)
        + sum(summed.completed_count) over (
            partition by summed.program
            order by summed.month_on
            rows between unbounded preceding and current row
        ) as bigint
    ) as completed_total_count
from summed
left join compared
    on
        summed.program = compared.program
        and summed.month_on = compared.month_on
left join undated on summed.program = undated.program
