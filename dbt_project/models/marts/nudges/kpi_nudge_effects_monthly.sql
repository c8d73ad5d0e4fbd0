{{ config(tags=['deliveries']) }}

{%- set outcomes = {
    'redeemed': {'counts': 'true', 'reached': 'redeemed_at <= window_ends_at'},
    'ordered': {'counts': 'true', 'reached': 'ordered_at <= window_ends_at'},
    'tier_kept': {'counts': 'tier_id is not null', 'reached': 'coalesce(tier_lost_at > window_ends_at, true)'},
} %}

-- history starts no flow: what was accepted as such reached nobody
with deliveries as (
    select
        event_id,
        max(case when was_backfill then 0 else 1 end) as is_told
    from {{ source('sync', 'events') }}
    where state = 'accepted' and was_backfill is not null
    group by event_id
),

nudges as (
    select
        fallen_due.*,
        coalesce(deliveries.is_told, 0) as is_told
    from {{ ref('fct_nudges') }} as fallen_due
    left join deliveries on fallen_due.event_id = deliveries.event_id
),

-- a member counts once a month and kind: from the first that was told, else from the first that fell due
numbered as (
    select
        *,
        row_number() over (
            partition by program, event_type, month_on, member_id
            order by is_told desc, due_at asc, event_id asc
        ) as number_in_month,
        count(*) over (partition by program, event_type, month_on, member_id) as nudge_count,
        sum(is_told) over (partition by program, event_type, month_on, member_id) as told_nudge_count
    from nudges
),

windows as (
    {%- for days in var('nudge_window_days') %}
    select {{ days }} as window_days
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

followed as (
    select
        numbered.*,
        windows.window_days,
        {{ dbt.dateadd('day', 'windows.window_days', 'numbered.due_at') }} as window_ends_at
    from numbered
    cross join windows
    where numbered.number_in_month = 1
),

-- a window that has not run out yet is no failure: it waits
judged as (
    {%- for outcome, rule in outcomes.items() %}
    select
        program,
        event_type,
        month_on,
        window_days,
        '{{ outcome }}' as outcome,
        is_told = 1 as is_told,
        nudge_count,
        told_nudge_count,
        window_ends_at <= observed_until_at as is_over,
        coalesce({{ rule.reached }}, false) as is_reached
    from followed
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
        count(case when is_told and is_over then 1 end) as told_member_count,
        count(case when is_told and is_over and is_reached then 1 end) as told_reached_count,
        count(case when is_told and not is_over then 1 end) as told_waiting_count,
        count(case when not is_told and is_over then 1 end) as untold_member_count,
        count(case when not is_told and is_over and is_reached then 1 end) as untold_reached_count,
        count(case when not is_told and not is_over then 1 end) as untold_waiting_count
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
