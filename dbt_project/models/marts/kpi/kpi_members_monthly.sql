{%- set window = var('churn_after_months') -%}

with lives as (
    select * from {{ ref('int_loyalty__member_lives_measured') }}
),

months as (
    select
        month_on,
        {{ dbt.datediff('month_on', loyalty_now(), 'month') }} as months_ago
    from {{ ref('int_loyalty__months_listed') }}
),

-- one row per member and month of membership, never written: counted as it is read
present as (
    select
        lives.program,
        months.month_on,
        months.months_ago,
        lives.joined_months_ago = months.months_ago as is_joining,
        -- deleted people count until the end of the month before
        coalesce(lives.deleted_months_ago = months.months_ago, false) as is_leaving,
        lives.is_one_and_done,
        {{ number_set_has('lives.active_months', 'months.months_ago', 'months.months_ago') }} as is_active,
        lives.joined_months_ago < months.months_ago + {{ window }}
        or {{ number_set_has('lives.active_months', 'months.months_ago', 'months.months_ago + ' ~ window ~ ' - 1') }} as is_live,
        lives.joined_months_ago > months.months_ago
        and (
            lives.joined_months_ago <= months.months_ago + {{ window }}
            or {{ number_set_has('lives.active_months', 'months.months_ago + 1', 'months.months_ago + ' ~ window) }}
        ) as was_live
    from lives
    inner join months
        on
            lives.joined_months_ago >= months.months_ago
            and coalesce(lives.deleted_months_ago <= months.months_ago, true)
),

counted as (
    select
        program,
        month_on,
        months_ago,
        count(case when not is_joining then 1 end) as start_member_count,
        count(case when is_joining then 1 end) as joined_count,
        count(case when is_leaving then 1 end) as left_count,
        count(case when not is_leaving then 1 end) as member_count,
        count(case when is_active and not is_leaving then 1 end) as active_member_count,
        count(case when was_live then 1 end) as live_start_count,
        count(case when is_live and not was_live and not is_joining and not is_leaving then 1 end) as returned_count,
        count(case when was_live and (is_leaving or not is_live) then 1 end) as lost_count,
        count(case when is_live and not is_leaving then 1 end) as live_count,
        count(case when is_joining and is_one_and_done then 1 end) as one_and_done_count
    from present
    group by program, month_on, months_ago
),

undated as (
    select
        program,
        count(*) as undated_member_count
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted and coalesce(joined_at > {{ loyalty_now() }}, true)
    group by program
),

judged as (
    select
        *,
        months_ago > 0 as is_month_over,
        {{ dbt.datediff(dbt.dateadd('month', 1, 'month_on'), loyalty_now(), 'day') }} >= {{ var('one_and_done_wait_days') }}
            as is_one_and_done_known
    from counted
)

select
    judged.program,
    judged.month_on,
    judged.is_month_over,
    judged.start_member_count,
    judged.joined_count,
    judged.left_count,
    judged.member_count,
    judged.active_member_count,
    {{ share_of('judged.active_member_count', 'judged.member_count') }} as active_rate,
    judged.live_start_count,
    case when judged.is_month_over then judged.returned_count end as returned_count,
    case when judged.is_month_over then judged.lost_count end as lost_count,
    case when judged.is_month_over then judged.live_count end as live_count,
    case
        when judged.is_month_over then {{ share_of('judged.lost_count', 'judged.live_start_count') }}
    end as churn_rate,
    case when judged.is_one_and_done_known then judged.one_and_done_count end as one_and_done_count,
    case
        when judged.is_one_and_done_known then {{ share_of('judged.one_and_done_count', 'judged.joined_count') }}
    end as one_and_done_rate,
    coalesce(undated.undated_member_count, 0) as undated_member_count
from judged
left join undated on judged.program = undated.program
