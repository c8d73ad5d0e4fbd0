{#- Where the end of points is decided per member: what the vendor tells, and the policy that fills the rest. -#}
{{ config(materialized='table') }}

with members as (
    select * from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

sources as (
    select * from {{ ref('int_loyalty__members_unioned') }}
),

-- Yotpo's next expiry is a day with its amount; without one, points_expire_at is for the whole balance
next_expiries as (
    select
        program,
        email_key,
        next_points_expire_on,
        next_points_expire_amount
    from {{ ref('int_yotpo__customers_merged') }}
    where next_points_expire_amount is not null
),

policies as (
    select
        members.program,
        members.member_id,
        members.points_balance,
        members.last_activity_at,
        sources.is_history_known,
        coalesce(
            next_expiries.next_points_expire_on, cast(sources.vendor_points_expire_at as date)
        ) as vendor_expires_on,
        sources.vendor_points_expiring,
        {{ points_expiry('members.program', 'sources.is_expiry_configured_here') }} as policy,
        {{ points_expiry('members.program', 'sources.is_expiry_configured_here', 'inactivity') }} as inactivity_days,
        {{ points_expiry('members.program', 'sources.is_expiry_configured_here', 'date_earned') }} as date_earned_days
    from members
    inner join sources
        on
            members.program = sources.program
            and members.member_id = sources.member_id
    left join next_expiries
        on
            members.program = next_expiries.program
            and members.member_id = next_expiries.email_key
)

select
    program,
    member_id,
    points_balance,
    is_history_known,
    policy,
    date_earned_days,
    -- a date without an amount says nothing about how much of the balance it means
    case when vendor_points_expiring is not null then vendor_expires_on end as told_expires_on,
    case when vendor_expires_on is not null then vendor_points_expiring end as told_points,
    cast({{ dbt.dateadd('day', 'inactivity_days', 'last_activity_at') }} as date) as inactive_on
from policies
