-- a day that is run again knows nothing later than itself
with changes as (
    select
        program,
        from_tier_id,
        to_tier_id,
        cast(least(changed_at, {{ loyalty_now() }}) as date) as on_date,
        cast(least(observed_at, {{ loyalty_now() }}) as date) as observed_on
    from {{ ref('fct_tier_changes') }}
),

tiers as (
    select * from {{ ref('dim_tiers') }}
),

movements as (
    select
        program,
        to_tier_id as tier_id,
        on_date,
        count(*) as entered_count,
        0 as left_count
    from changes
    where to_tier_id is not null
    group by program, to_tier_id, on_date
    union all
    select
        program,
        from_tier_id as tier_id,
        on_date,
        0 as entered_count,
        count(*) as left_count
    from changes
    where from_tier_id is not null
    group by program, from_tier_id, on_date
),

-- what happened before anybody looked is in the first day's size
first_days as (
    select
        program,
        min(observed_on) as first_on
    from changes
    group by program
),

seen_tiers as (
    select
        program,
        tier_id
    from tiers
    union
    select
        program,
        tier_id
    from movements
),

days as (
    select
        starts.program,
        seen_tiers.tier_id,
        series.on_date
    from {{ date_series('(select min(first_on) from first_days)', loyalty_now()) }} as series
    inner join first_days as starts on series.on_date >= starts.first_on
    inner join seen_tiers on starts.program = seen_tiers.program
),

opening as (
    select
        movements.program,
        movements.tier_id,
        sum(movements.entered_count - movements.left_count) as member_count
    from movements
    inner join first_days on movements.program = first_days.program
    where movements.on_date < first_days.first_on
    group by movements.program, movements.tier_id
),

summed as (
    select
        days.program,
        days.tier_id,
        days.on_date,
        coalesce(max(opening.member_count), 0) as opening_count,
        coalesce(sum(movements.entered_count), 0) as entered_count,
        coalesce(sum(movements.left_count), 0) as left_count
    from days
    left join opening
        on
            days.program = opening.program
            and days.tier_id = opening.tier_id
    left join movements
        on
            days.program = movements.program
            and days.tier_id = movements.tier_id
            and days.on_date = movements.on_date
    group by days.program, days.tier_id, days.on_date
)

select
    summed.program,
    summed.tier_id,
    summed.on_date as day_on,
    tiers.tier_name,
    tiers.tier_rank,
    cast(
        summed.opening_count + sum(summed.entered_count - summed.left_count) over (
            partition by summed.program, summed.tier_id
            order by summed.on_date
            rows between unbounded preceding and current row
        ) as bigint
    ) as member_count,
    cast(summed.entered_count as bigint) as entered_count,
    cast(summed.left_count as bigint) as left_count
from summed
left join tiers
    on
        summed.program = tiers.program
        and summed.tier_id = tiers.tier_id
