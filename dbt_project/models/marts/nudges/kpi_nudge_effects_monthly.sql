{{ config(tags=['deliveries']) }}

{#- Windows, shortest first, so that the first one that holds an answer says it for the longer ones too. -#}
{%- set windows = var('nudge_window_days') | sort -%}
{%- set outcomes = {
    'redeemed': {'counts': 'true', 'reached': 'redeemed_within_days <= window_days'},
    'ordered': {'counts': 'true', 'reached': 'ordered_within_days <= window_days'},
    'tier_kept': {'counts': 'is_tier_held', 'reached': 'coalesce(tier_lost_within_days > window_days, true)'},
} -%}

-- history starts no flow: what was accepted as such reached nobody
with told as (
    select distinct event_id
    from {{ source('sync', 'events') }}
    where state = 'accepted' and not was_backfill
),

nudges as (
    select
        fallen_due.*,
        told.event_id is not null as is_told
    from {{ ref('fct_nudges') }} as fallen_due
    left join told on fallen_due.event_id = told.event_id
),

-- a member counts once a month and kind: from the first that was told, else from the first that fell due
repeated as (
    select
        *,
        row_number() over (
            partition by program, event_type, month_on, member_id
            order by is_told desc, due_at asc, event_id asc
        ) as number_in_month,
        count(case when is_told then 1 end) over (
            partition by program, event_type, month_on, member_id
        ) as told_nudge_count
    from nudges
    where month_nudge_count > 1
),

-- most fell due once in their month, and need no sorting
chosen as (
    select
        *,
        1 as number_in_month,
        case when is_told then 1 else 0 end as told_nudge_count
    from nudges
    where month_nudge_count = 1
    union all
    select * from repeated
    where number_in_month = 1
),

-- a window that has not run out yet is no failure: it waits
measured as (
    select
        program,
        event_type,
        month_on,
        is_told,
        month_nudge_count,
        told_nudge_count,
        tier_id is not null as is_tier_held,
        {%- for column, name in {'redeemed_at': 'redeemed', 'ordered_at': 'ordered', 'tier_lost_at': 'tier_lost'}.items() %}
        case
            {%- for days in windows %}
            when {{ column }} <= {{ dbt.dateadd('day', days, 'due_at') }} then {{ days }}
            {%- endfor %}
        end as {{ name }}_within_days,
        {%- endfor %}
        case
            {%- for days in windows | reverse %}
            when {{ dbt.dateadd('day', days, 'due_at') }} <= observed_until_at then {{ days }}
            {%- endfor %}
            else 0
        end as over_days
    from chosen
),

-- few rows from here on
alike as (
    select
        program,
        event_type,
        month_on,
        is_told,
        is_tier_held,
        redeemed_within_days,
        ordered_within_days,
        tier_lost_within_days,
        over_days,
        count(*) as member_count,
        sum(month_nudge_count) as nudge_count,
        sum(told_nudge_count) as told_nudge_count
    from measured
    group by
        program, event_type, month_on, is_told, is_tier_held, redeemed_within_days, ordered_within_days,
        tier_lost_within_days, over_days
),

windows as (
    {%- for days in windows %}
    select {{ days }} as window_days
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

judged as (
    {%- for outcome, rule in outcomes.items() %}
    select
        alike.*,
        windows.window_days,
        '{{ outcome }}' as outcome,
        alike.over_days >= windows.window_days as is_over,
        coalesce({{ rule.reached }}, false) as is_reached
    from alike
    cross join windows
    where {{ rule.counts }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

counted as (
    select
        program,
        event_type,
        month_on,
        window_days,
        outcome,
        sum(nudge_count) as nudge_count,
        sum(told_nudge_count) as told_nudge_count,
        {%- for group in ['told', 'untold'] %}
        {%- set mine = 'is_told' if group == 'told' else 'not is_told' %}
        cast(sum(case when {{ mine }} and is_over then member_count else 0 end) as bigint) as {{ group }}_member_count,
        cast(sum(case when {{ mine }} and is_over and is_reached then member_count else 0 end) as bigint)
            as {{ group }}_reached_count,
        cast(sum(case when {{ mine }} and not is_over then member_count else 0 end) as bigint)
            as {{ group }}_waiting_count{% if not loop.last %},{% endif %}
        {%- endfor %}
    from judged
    group by program, event_type, month_on, window_days, outcome
),

bounded as (
    select
        *,
        cast(told_reached_count as double) / nullif(told_member_count, 0) as told_part,
        cast(untold_reached_count as double) / nullif(untold_member_count, 0) as untold_part,
        {{ wilson_bound('told_reached_count', 'told_member_count', '-') }} as told_low,
        {{ wilson_bound('told_reached_count', 'told_member_count', '+') }} as told_high,
        {{ wilson_bound('untold_reached_count', 'untold_member_count', '-') }} as untold_low,
        {{ wilson_bound('untold_reached_count', 'untold_member_count', '+') }} as untold_high
    from counted
)

select
    program,
    event_type,
    month_on,
    window_days,
    outcome,
    cast(nudge_count as bigint) as nudge_count,
    cast(told_nudge_count as bigint) as told_nudge_count,
    told_member_count,
    told_reached_count,
    {{ share_of('told_reached_count', 'told_member_count') }} as told_share,
    told_waiting_count,
    untold_member_count,
    untold_reached_count,
    {{ share_of('untold_reached_count', 'untold_member_count') }} as untold_share,
    untold_waiting_count,
    cast(told_part - untold_part as decimal(5, 4)) as share_difference,
    cast(
        told_part - untold_part - sqrt(power(told_part - told_low, 2) + power(untold_high - untold_part, 2))
        as decimal(5, 4)
    ) as difference_low,
    cast(
        told_part - untold_part + sqrt(power(told_high - told_part, 2) + power(untold_part - untold_low, 2))
        as decimal(5, 4)
    ) as difference_high
from bounded
