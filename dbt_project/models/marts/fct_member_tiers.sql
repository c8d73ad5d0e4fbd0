{%- set remainders = [
    'points_to_next_tier', 'amount_to_next_tier', 'purchases_to_next_tier', 'referrals_to_next_tier',
    'points_to_keep_tier', 'amount_to_keep_tier', 'purchases_to_keep_tier', 'referrals_to_keep_tier',
] -%}

with members as (
    select
        program,
        member_id,
        tier_id,
        case when tier_id is not null then tier_expires_at end as tier_expires_at
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

progress as (
    select * from {{ ref('int_smile__tier_progress_measured') }}
    union all
    select * from {{ ref('int_yotpo__tier_progress_measured') }}
),

joined as (
    select
        members.program,
        members.member_id,
        members.tier_id,
        progress.next_tier_id,
        {%- for remainder in remainders %}
        progress.{{ remainder }},
        {%- endfor %}
        members.tier_expires_at,
        cast({{ dbt.datediff(loyalty_now(), 'members.tier_expires_at', 'day') }} as integer) as days_to_tier_end,
        coalesce(progress.points_to_keep_tier > 0, false)
        or coalesce(progress.amount_to_keep_tier > 0, false)
        or coalesce(progress.purchases_to_keep_tier > 0, false)
        or coalesce(progress.referrals_to_keep_tier > 0, false) as is_something_needed
    from members
    -- without a tier everything about tiers is null
    left join progress
        on
            members.program = progress.program
            and members.member_id = progress.member_id
            and members.tier_id is not null
)

select
    program,
    member_id,
    tier_id,
    next_tier_id,
    {%- for remainder in remainders %}
    {{ remainder }},
    {%- endfor %}
    {{ currency_of('program') }} as currency,
    tier_expires_at,
    case
        when tier_id is null then null
        else
            is_something_needed
            and coalesce(tier_expires_at > {{ loyalty_now() }}, false)
            and coalesce(days_to_tier_end <= {{ var('tier_at_risk_days') }}, false)
    end as is_tier_at_risk,
    days_to_tier_end
from joined
