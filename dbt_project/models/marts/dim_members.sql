with members as (
    select * from {{ ref('int_loyalty__members_unioned') }}
),

tiers as (
    select * from {{ ref('dim_tiers') }}
),

ledger as (
    select
        program,
        member_id,
        sum(
            case
                when transaction_kind = 'earn' then points_change
                when transaction_kind = 'adjust' and points_change > 0 then points_change
                else 0
            end
        ) as points_earned,
        -sum(case when transaction_kind = 'redeem' then points_change else 0 end) as points_redeemed,
        max(case when transaction_kind in ('earn', 'redeem') then occurred_at end) as last_movement_at
    from {{ ref('fct_points_transactions') }}
    where deleted_at is null
    group by program, member_id
),

measured as (
    select
        members.*,
        coalesce(ledger.points_earned, 0) as ledger_points_earned,
        coalesce(ledger.points_redeemed, 0) as ledger_points_redeemed,
        case
            when ledger.last_movement_at > members.last_seen_at then ledger.last_movement_at
            else coalesce(members.last_seen_at, ledger.last_movement_at)
        end as last_activity_at
    from members
    left join ledger
        on
            members.program = ledger.program
            and members.member_id = ledger.member_id
),

expiring as (
    select
        *,
        case
            when is_expiry_configured_here
                then
                    {{ dbt.dateadd('day', points_expiry('program', 'true', 'inactivity'), 'last_activity_at') }}
            else vendor_points_expire_at
        end as points_expire_at
    from measured
)

select
    members.program,
    members.member_id,
    members.email,
    members.source_email,
    members.first_name,
    members.last_name,
    members.source_state,
    members.membership,
    case
        when members.is_deleted or members.membership <> 'member' then 'hidden'
        when members.points_balance >= 1 then 'with_points'
        else 'no_points'
    end as hub_state,
    members.points_balance,
    cast(coalesce(members.vendor_points_earned, members.ledger_points_earned) as bigint) as lifetime_points_earned,
    cast(members.ledger_points_redeemed as bigint) as lifetime_points_redeemed,
    members.tier_id,
    coalesce(tiers.tier_name, members.vendor_tier_name) as tier_name,
    tiers.tier_rank,
    tiers.icon_url as tier_icon_url,
    members.tier_entered_at,
    members.tier_expires_at,
    members.referral_url,
    members.birth_month,
    members.birth_day,
    members.birth_year,
    members.anniversary_day,
    members.anniversary_month,
    members.anniversary_year,
    members.vendor_joined_at as joined_at,
    members.last_activity_at,
    members.points_expire_at,
    case
        when not members.is_expiry_configured_here then members.vendor_points_expiring
        when members.points_expire_at is not null then members.points_balance
    end as points_expiring,
    members.is_deleted,
    members.deleted_at,
    members.updated_at,
    members.vendor
from expiring as members
left join tiers
    on
        members.program = tiers.program
        and members.tier_id = tiers.tier_id
