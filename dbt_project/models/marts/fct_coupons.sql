with texts as (
    select * from {{ ref('int_loyalty__reward_texts_valued') }}
),

missed as (
    select * from {{ missed_by_lists(ref('stg_smile__reward_fulfillments'), 'reward_fulfillments') }}
),

smile as (
    select
        fulfillments.program,
        fulfillments.reward_fulfillment_id as coupon_id,
        fulfillments.customer_id as member_id,
        fulfillments.code,
        fulfillments.name as coupon_name,
        case
            when fulfillments.fulfillment_status in ('cancelled', 'failed') then fulfillments.fulfillment_status
            -- a state that is not known to be "issued" is not shown as a coupon that can be used
            when coalesce(fulfillments.fulfillment_status, '') <> 'issued'
                then case when missed.deleted_at is null then 'pending' else 'cancelled' end
            when fulfillments.usage_status = 'used' then 'used'
            -- what the vendor took back did not expire later; what had expired before stays so
            when missed.deleted_at is not null and coalesce(fulfillments.expires_at > missed.deleted_at, true)
                then 'cancelled'
            when fulfillments.expires_at <= {{ loyalty_now() }} then 'expired'
            when coalesce(fulfillments.usage_status, '') <> 'unused' then 'untracked'
            else 'usable'
        end as status,
        fulfillments.created_at as issued_at,
        fulfillments.expires_at,
        fulfillments.used_at,
        missed.deleted_at,
        case when texts.discount_type = 'fixed_amount' then texts.discount_value end as value_amount
    from {{ ref('stg_smile__reward_fulfillments') }} as fulfillments
    left join texts on fulfillments.name = texts.reward_text
    left join missed
        on
            fulfillments.program = missed.program
            and fulfillments.extract_id = missed.extract_id
),

-- the code of a Yotpo redemption; whether it was used, and until when it can be, no list tells
yotpo_codes as (
    select
        program,
        member_id,
        coupon_code as code,
        {{ first_by('description', ['occurred_at', 'history_item_id']) }} as coupon_name,
        min(occurred_at) as issued_at
    from {{ ref('int_yotpo__history_items_parsed') }}
    where coupon_code is not null
    group by program, member_id, coupon_code
),

yotpo_values as (
    select
        program,
        reward_name,
        min(discount_value) as value_amount
    from {{ ref('int_loyalty__rewards_unioned') }}
    where discount_type = 'fixed_amount'
    group by program, reward_name
    having min(discount_value) = max(discount_value)
),

yotpo as (
    select
        codes.program,
        {{ dbt.hash("codes.member_id || '|' || codes.code") }} as coupon_id,
        codes.member_id,
        codes.code,
        codes.coupon_name,
        'untracked' as status,
        codes.issued_at,
        cast(null as timestamp) as expires_at,
        cast(null as timestamp) as used_at,
        cast(null as timestamp) as deleted_at,
        yotpo_values.value_amount
    from yotpo_codes as codes
    left join yotpo_values
        on
            codes.program = yotpo_values.program
            and codes.coupon_name = yotpo_values.reward_name
),

final as (
    select * from smile
    union all
    select * from yotpo
)

select
    program,
    coupon_id,
    member_id,
    code,
    coupon_name,
    status,
    issued_at,
    expires_at,
    used_at,
    cast(value_amount as decimal(18, 2)) as value_amount,
    {{ currency_of('program') }} as currency,
    deleted_at
from final
