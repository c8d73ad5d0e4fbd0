{#-
    What Yotpo's webhooks tell, one row per event and not per delivery: Yotpo announces a coupon of a birthday or a tier
    twice, and sends the same body again. Deliveries bear no id and hardly a time; what happened is known by what the
    body says (https://core-api.yotpo.com/reference/about-webhook-events). A table, because every other origin is
    compared with it.
-#}
{{ config(materialized='table') }}

{%- set friends_events = "('referral_link_share', 'referral_share_reminder', 'referral_product_share', 'referral_product_share_reminder')" -%}

with deliveries as (
    select
        *,
        coalesce(occurred_at, received_at) as happened_at,
        {{ json_has('payload', 'perk') }} as has_perk
    from {{ ref('stg_yotpo__webhook_events') }}
),

types as (
    select
        event_type,
        lower(webhook_names) as webhook_name,
        '|' || webhook_topics || '|' as topics
    from {{ ref('loyalty_event_types') }}
    where vendor = 'yotpo' and is_told_by_webhook
),

named as (
    select
        deliveries.*,
        types.event_type,
        types.event_type in {{ friends_events }} as is_about_friend
    from deliveries
    inner join types
        on
            position('|' || lower(trim(deliveries.topic)) || '|' in types.topics) > 0
            or lower(trim(deliveries.event_name)) = types.webhook_name
    -- the same topic announces both: a perk is what the coupon was given for
    where
        types.event_type not in ('coupon_awarded', 'coupon_redeemed')
        or deliveries.has_perk = (types.event_type = 'coupon_awarded')
),

-- of a share the delivery is addressed to the friend, and the customer is the one who shared
addressed as (
    select
        *,
        case
            when is_about_friend
                then coalesce(
                    customer_email,
                    {{ normalised_email(json_text('payload', 'from.email')) }},
                    case
                        when {{ json_text('payload', 'from') }} like '%@%' and position('"' in {{ json_text('payload', 'from') }}) = 0
                            then {{ normalised_email(json_text('payload', 'from')) }}
                    end
                )
            else coalesce(customer_email, email)
        end as member_id,
        case when is_about_friend then email else coalesce(email, customer_email) end as addressee
    from named
),

keyed as (
    select
        *,
        cast(happened_at as date) as happened_on,
        {{ dbt.date_trunc('day', text_to_utc_timestamp(json_text('payload', 'customer.loyalty_opt_in_date'))) }} as opted_in_at,
        coalesce({{ json_text('payload', 'redemption.reward_text') }}, '') as code,
        {{ epoch_second(text_to_utc_timestamp(json_text('payload', 'redemption.created_at'))) }} as redemption_second,
        {{ epoch_second(text_to_utc_timestamp(json_text('payload', 'perk.created_at'))) }} as perk_second,
        {{ json_text('payload', 'perk.id') }} as perk_id,
        {{ json_text('payload', 'perk.reward_points') }} as perk_points,
        {{ json_text('payload', 'perk.history_title') }} as perk_title,
        coalesce({{ json_text('payload', 'new_tier.id') }}, 'none') as new_tier_id
    from addressed
),

-- two earnings alike in one second are told apart by the number of the perk, as the history tells them apart by their order
perks as (
    select
        *,
        dense_rank() over (
            partition by program, event_type, member_id, perk_second, perk_points, perk_title
            order by {{ id_order('perk_id') }}
        ) as repetition
    from keyed
),

identified as (
    select
        program,
        event_type,
        member_id,
        addressee as email,
        is_about_friend,
        case
            -- the body gives the day only; the delivery says more where it came on that day
            when event_type = 'loyalty_opt_in' and opted_in_at <> cast(happened_on as timestamp) then opted_in_at
            else happened_at
        end as occurred_at,
        received_at,
        delivery_id,
        payload,
        case
            when event_type in ('vip_tier_earned', 'vip_tier_lost') then member_id || '|' || new_tier_id
            when event_type in ('loyalty_opt_in', 'loyalty_opt_out', 'vip_tier_status_change') then member_id
        end as near_key,
        case event_type
            when 'points_earned'
                then
                    case
                        when perk_second is null then {{ event_id(['member_id', 'coalesce(perk_id, delivery_id)']) }}
                        else {{ event_id(['member_id', 'perk_second', 'perk_points', 'perk_title', 'repetition']) }}
                    end
            when 'coupon_redeemed'
                then {{ event_id(['member_id', "coalesce(nullif(trim(code), ''), " ~ json_text('payload', 'redemption.id') ~ ", delivery_id)"]) }}
            when 'coupon_awarded'
                then {{ event_id(['member_id', "coalesce(nullif(trim(code), ''), " ~ json_text('payload', 'redemption.id') ~ ", delivery_id)"]) }}
            when 'custom_reward_redeemed'
                then {{ event_id(['member_id', "coalesce(cast(redemption_second as " ~ dbt.type_string() ~ "), delivery_id)"]) }}
            when 'donation_created'
                then {{ event_id(['member_id', "coalesce(cast(redemption_second as " ~ dbt.type_string() ~ "), delivery_id)"]) }}
            when 'referral_completed'
                then {{ event_id(['member_id', 'coalesce(friend_email, perk_id, delivery_id)']) }}
            when 'customer_birthday' then {{ event_id(['member_id', 'extract(year from happened_at)']) }}
            when 'customer_anniversary' then {{ event_id(['member_id', 'extract(year from happened_at)']) }}
            when 'customer_birthday_captured'
                then {{ event_id([
                    'member_id', json_text('payload', 'customer.birth_year'), json_text('payload', 'customer.birth_month'),
                    json_text('payload', 'customer.birth_day'),
                ]) }}
            when 'customer_anniversary_captured'
                then {{ event_id([
                    'member_id', json_text('payload', 'customer.anniversary_year'),
                    json_text('payload', 'customer.anniversary_month'), json_text('payload', 'customer.anniversary_day'),
                ]) }}
            when 'loyalty_opt_in'
                then {{ event_id([
                    'member_id', "''",
                    'coalesce(cast(opted_in_at as date), happened_on)',
                ]) }}
            when 'loyalty_opt_out' then {{ event_id(['member_id', "''", 'happened_on']) }}
            when 'vip_tier_earned' then {{ event_id(['member_id', 'new_tier_id', 'happened_on']) }}
            when 'vip_tier_lost' then {{ event_id(['member_id', 'new_tier_id', 'happened_on']) }}
            when 'vip_tier_status_change'
                then {{ event_id([
                    'member_id', json_text('payload', 'vip_stats'), json_text('payload', 'vip_stats_needed_maintain'),
                    json_text('payload', 'vip_stats_needed_next'), 'happened_on',
                ]) }}
            when 'points_changed'
                then {{ event_id([
                    'member_id', json_text('payload', 'previous_balance'), json_text('payload', 'current_balance'),
                    json_text('payload', 'points_changed_reason'), 'happened_on',
                ]) }}
            -- shares and reminders: with whom, of what, on which day
            else
                case
                    when is_about_friend
                        then {{ event_id([
                            'member_id', 'addressee', json_text('payload', 'product_id'), 'happened_on',
                        ]) }}
                    else {{ event_id(['member_id', 'happened_on']) }}
                end
        end as event_id
    from perks
),

-- what was received first is kept whole
numbered as (
    select
        *,
        row_number() over (partition by event_id order by received_at, delivery_id) as delivery_number
    from identified
    where coalesce(member_id, email) is not null
)

select
    program,
    'yotpo' as vendor,
    event_id,
    event_type,
    member_id,
    email,
    is_about_friend,
    occurred_at,
    payload as properties,
    'webhook' as origin,
    near_key
from numbered
where delivery_number = 1
