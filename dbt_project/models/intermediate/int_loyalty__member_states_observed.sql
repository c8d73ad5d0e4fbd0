{#- What the snapshot of members reads: the values whose past is kept, dated by the reading that showed them. -#}
with members as (
    select * from {{ ref('int_loyalty__members_unioned') }}
),

progress as (
    select * from {{ ref('int_smile__tier_progress_measured') }}
    union all
    select * from {{ ref('int_yotpo__tier_progress_measured') }}
)

select
    members.program,
    members.member_id,
    members.source_state,
    members.membership,
    members.is_deleted,
    members.points_balance,
    members.tier_id,
    -- a name that no tier has (yet): not the same as having none
    members.tier_id is null and members.vendor_tier_name is not null as is_tier_unknown,
    members.tier_entered_at,
    members.tier_expires_at,
    progress.next_tier_id,
    progress.points_to_next_tier,
    progress.amount_to_next_tier,
    progress.purchases_to_next_tier,
    progress.referrals_to_next_tier,
    case
        when members.deleted_at > members.seen_at then members.deleted_at
        else coalesce(members.seen_at, members.deleted_at, {{ loyalty_now() }})
    end as seen_at
from members
-- without a tier, and for whoever is no member, nothing about tiers is told
left join progress
    on
        members.program = progress.program
        and members.member_id = progress.member_id
        and members.tier_id is not null
        and members.membership = 'member'
        and not members.is_deleted
