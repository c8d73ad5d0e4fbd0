{#- Columns that the list and the single record share. The single record says more (amounts in the customer's currency),
    so it gives them all while the list record is still the one it was fetched for; after that the newer of the two. -#}
{%- set shared_columns = [
    'source_email', 'email', 'first_name', 'last_name', 'points_balance', 'points_earned', 'points_expire_at',
    'perks_redeemed', 'total_purchases', 'total_spend_cents', 'last_purchase_at', 'last_seen_at', 'has_store_account',
    'opt_in', 'opted_in_at', 'birth_day', 'birth_month', 'vip_tier_name', 'vip_tier_entered_at', 'vip_tier_expires_at',
    'vip_tier_actions_completed', 'vip_tier_maintenance_requirements', 'vip_tier_upgrade_requirements',
] -%}

with customers as (
    select * from {{ ref('stg_yotpo__customers') }}
),

details as (
    select
        single.*,
        coalesce(
            single.is_found
            and (single.list_record_hash = customers.record_hash or single.extract_id >= customers.extract_id),
            false
        ) as is_current
    from {{ ref('stg_yotpo__customer_details') }} as single
    inner join customers
        on
            single.program = customers.program
            and single.email_key = customers.email_key
)

select
    customers.program,
    customers.email_key,
    customers.extract_id as listed_extract_id,
    -- list and single record are read one after the other: what is known is known since the later reading
    greatest(customers.seen_at, coalesce(details.seen_at, customers.seen_at)) as seen_at,
    {%- for column in shared_columns %}
    case
        when details.is_current then details.{{ column }}
        else customers.{{ column }}
    end as {{ column }},
    {%- endfor %}
    details.credit_balance,
    details.next_points_expire_on,
    details.next_points_expire_amount,
    details.birth_year,
    details.referral_code,
    details.referral_link,
    details.is_found,
    coalesce(details.is_found and details.list_record_hash = customers.record_hash, false) as is_history_known
from customers
left join details
    on
        customers.program = details.program
        and customers.email_key = details.email_key
