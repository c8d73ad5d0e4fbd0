with customers as (
    select * from {{ ref('stg_smile__customers') }}
),

known_ledgers as (
    select distinct program
    from {{ ref('int_loyalty__extracts_ordered') }}
    where resource = 'points_transactions'
),

-- a customer whom the next complete list no longer showed is gone since that list
missed as (
    select * from {{ missed_by_lists(ref('stg_smile__customers'), 'customers') }}
),

-- the period in which the present tier has been seen without a break
tier_periods as (
    select
        program,
        member_id,
        tier_id,
        dbt_valid_from as tier_entered_at
    from {{ ref('smile_member_tiers') }}
    where dbt_valid_to is null
),

born as (
    select
        program,
        customer_id,
        {{ try_cast("substring(date_of_birth, 1, 4)", 'integer') }} as birth_year,
        {{ try_cast("substring(date_of_birth, 6, 2)", 'integer') }} as birth_month,
        {{ try_cast("substring(date_of_birth, 9, 2)", 'integer') }} as birth_day
    from customers
    where date_of_birth is not null
)

select
    customers.program,
    customers.customer_id as member_id,
    customers.email,
    customers.source_email,
    customers.first_name,
    customers.last_name,
    customers.state as source_state,
    case customers.state
        when 'member' then 'member'
        when 'candidate' then 'non_member'
        when 'disabled' then 'excluded'
        else 'unknown'
    end as membership,
    customers.points_balance,
    cast(null as bigint) as vendor_points_earned,
    case
        when customers.has_vip_status then customers.vip_tier_id
        else coalesce(customers.vip_tier_id, customers.deprecated_vip_tier_id)
    end as tier_id,
    cast(null as {{ dbt.type_string() }}) as vendor_tier_name,
    case
        when tier_periods.tier_id is not null then tier_periods.tier_entered_at
    end as tier_entered_at,
    customers.vip_tier_expires_at as tier_expires_at,
    customers.referral_url,
    born.birth_month,
    born.birth_day,
    -- Smile writes the year 1004 where only day and month are known (https://dev.smile.io/api/resources/customers/customer-object)
    nullif(born.birth_year, 1004) as birth_year,
    customers.created_at as vendor_joined_at,
    cast(null as timestamp) as last_seen_at,
    cast(null as timestamp) as vendor_points_expire_at,
    cast(null as bigint) as vendor_points_expiring,
    true as is_expiry_configured_here,
    cast(null as integer) as anniversary_day,
    cast(null as integer) as anniversary_month,
    cast(null as integer) as anniversary_year,
    missed.extract_id is not null as is_deleted,
    missed.deleted_at,
    customers.extract_id as last_extract_id,
    customers.updated_at,
    known_ledgers.program is not null as is_history_known,
    customers.seen_at
from customers
left join missed
    on
        customers.program = missed.program
        and customers.extract_id = missed.extract_id
left join tier_periods
    on
        customers.program = tier_periods.program
        and customers.customer_id = tier_periods.member_id
left join born
    on
        customers.program = born.program
        and customers.customer_id = born.customer_id
left join known_ledgers on customers.program = known_ledgers.program
