{#-
    Yotpo writes 0 for "met", for "not asked for" and for "top tier" alike
    (https://loyaltyapi.yotpo.com/reference/fetch-customer-details). A 0 counts as met only where the tier in question
    asks for that unit; a remainder above 0 is never ambiguous.
-#}
{%- set units = {
    'points': 'points_needed',
    'amount_cents': 'amount_cents_needed',
    'purchases': 'purchases_needed',
    'referrals': 'referrals_needed',
} -%}

with customers as (
    select
        program,
        email_key,
        {%- for unit, key in units.items() %}
        {{ try_cast(json_text('vip_tier_upgrade_requirements', key), 'bigint') }} as next_{{ unit }},
        {{ try_cast(json_text('vip_tier_maintenance_requirements', key), 'bigint') }} as keep_{{ unit }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ ref('int_yotpo__customers_merged') }}
),

members as (
    select
        program,
        member_id,
        tier_id
    from {{ ref('int_yotpo__members_normalised') }}
),

tiers as (
    select * from {{ ref('int_yotpo__tiers_normalised') }}
),

resolved as (
    select
        members.program,
        members.member_id,
        next_tiers.tier_id as next_tier_id,
        {%- for unit in units %}
        case
            when next_tiers.tier_id is null then null
            when customers.next_{{ unit }} > 0 or next_tiers.entry_{{ unit }} > 0 then customers.next_{{ unit }}
        end as next_{{ unit }},
        case
            when customers.keep_{{ unit }} > 0 or current_tiers.retain_{{ unit }} > 0 then customers.keep_{{ unit }}
        end as keep_{{ unit }}{% if not loop.last %},{% endif %}
        {%- endfor %}
    from members
    inner join customers
        on
            members.program = customers.program
            and members.member_id = customers.email_key
    inner join tiers as current_tiers
        on
            members.program = current_tiers.program
            and members.tier_id = current_tiers.tier_id
    left join tiers as next_tiers
        on
            members.program = next_tiers.program
            and current_tiers.tier_rank + 1 = next_tiers.tier_rank
)

select
    program,
    member_id,
    next_tier_id,
    next_points as points_to_next_tier,
    {{ cents_to_units('next_amount_cents') }} as amount_to_next_tier,
    next_purchases as purchases_to_next_tier,
    next_referrals as referrals_to_next_tier,
    keep_points as points_to_keep_tier,
    {{ cents_to_units('keep_amount_cents') }} as amount_to_keep_tier,
    keep_purchases as purchases_to_keep_tier,
    keep_referrals as referrals_to_keep_tier
from resolved
