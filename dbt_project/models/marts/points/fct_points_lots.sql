with spans as (
    select * from {{ ref('int_loyalty__points_spanned') }}
    where is_granted
),

members as (
    select * from {{ ref('int_loyalty__points_members_summed') }}
    where ledger_points > 0
),

told as (
    select * from {{ ref('int_loyalty__points_expiry_told') }}
    where is_history_known
),

lots as (
    select
        members.program,
        members.member_id,
        spans.transaction_id,
        spans.movement,
        spans.occurred_at as earned_at,
        spans.points as earned_points,
        least(spans.points, spans.span_end - members.consumed_points) as remaining_points,
        greatest(spans.span_end - spans.points - members.consumed_points, 0) as older_points,
        told.policy,
        told.told_expires_on,
        told.told_points,
        told.inactive_on,
        cast({{ dbt.dateadd('day', 'told.date_earned_days', 'spans.occurred_at') }} as date) as too_old_on
    from spans
    inner join members on spans.member_number = members.member_number
    inner join told
        on
            members.program = told.program
            and members.member_id = told.member_id
    where spans.span_end > members.consumed_points
)

select
    program,
    member_id,
    transaction_id,
    movement,
    earned_at,
    earned_points,
    cast(remaining_points as bigint) as remaining_points,
    cast(older_points as bigint) as older_points,
    {{ ratio_rounded_down('earned_points - remaining_points', 'earned_points') }} as spent_ratio,
    cast({{ dbt.datediff('cast(earned_at as date)', 'cast(' ~ loyalty_now() ~ ' as date)', 'day') }} as integer) as age_days,
    case
        when told_expires_on is not null and (policy = 'inactivity' or older_points < told_points) then told_expires_on
        when policy = 'inactivity' then inactive_on
        -- the vendor's expiry is the next one, so nothing goes before it
        when policy = 'date_earned' and too_old_on <= told_expires_on
            then cast({{ dbt.dateadd('day', 1, 'told_expires_on') }} as date)
        when policy = 'date_earned' then too_old_on
    end as expires_on
from lots
