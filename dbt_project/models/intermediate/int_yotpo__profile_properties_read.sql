{#- Yotpo's own numbers of each member, as its own integrations send them: zeros are kept as the vendor writes them. -#}
with customers as (
    select * from {{ ref('int_yotpo__customers_merged') }}
)

select
    program,
    email_key as member_id,
    first_name,
    last_name,
    nullif(trim(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), '') as full_name,
    points_balance,
    points_earned,
    points_expire_at,
    credit_balance,
    -- the sign that the programme writes before its own money, else the currency code
    coalesce({{ regexp_group('credit_balance', "'^([^-0-9.,]+)'") }}, {{ currency_of('program') }} || ' ') as money_sign,
    has_store_account,
    vip_tier_name,
    cast(vip_tier_expires_at as date) as tier_ends_on,
    birth_month,
    opt_in as is_opted_in,
    {{ text_to_utc_timestamp('opted_in_at') }} as opted_in_at,
    cast({{ text_to_utc_timestamp('opted_in_at') }} as date) as opted_in_on,
    next_points_expire_on,
    next_points_expire_amount,
    perks_redeemed,
    total_purchases,
    total_spend_cents,
    last_purchase_at,
    last_seen_at,
    {%- for name, key in {
        'points_earned': 'points_earned',
        'amount_spent_cents': 'amount_spent_cents',
        'purchases_made': 'purchases_made',
        'referrals_completed': 'referrals_completed',
    }.items() %}
    {{ try_cast(json_text('vip_tier_actions_completed', key), 'bigint') }} as tier_{{ name }},
    {%- endfor %}
    {%- for kind, column in {
        'next': 'vip_tier_upgrade_requirements',
        'keep': 'vip_tier_maintenance_requirements',
    }.items() %}
    {%- set is_last_kind = loop.last %}
    {%- for name, key in {
        'points': 'points_needed',
        'amount_cents': 'amount_cents_needed',
        'amount_cents_c': 'amount_cents_needed_in_customer_currency',
        'purchases': 'purchases_needed',
        'referrals': 'referrals_needed',
    }.items() %}
    {{ try_cast(json_text(column, key), 'bigint') }} as {{ kind }}_{{ name }}{% if not (is_last_kind and loop.last) %},{% endif %}
    {%- endfor %}
    {%- endfor %}
from customers
