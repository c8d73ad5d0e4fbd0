{#- What happened, when it was told by whom: names and shapes that several models of events share. -#}

{#-
    Id of an event: of the programme, the type and what makes the thing itself one, never of who told it. `parts` are
    expressions; a null counts as an empty text.
-#}
{% macro event_id(parts, program='program', event_type='event_type') -%}
    md5(
        {{ program }} || '|' || {{ event_type }}
        {%- for part in parts %} || '|' || coalesce(cast({{ part }} as {{ dbt.type_string() }}), ''){% endfor %}
    )
{%- endmacro %}

{#- The columns in which every origin tells its events, in this order. -#}
{% macro event_columns() -%}
    {{ return(['program', 'vendor', 'event_id', 'event_type', 'member_id', 'email', 'is_about_friend', 'occurred_at',
               'properties', 'origin', 'near_key']) }}
{%- endmacro %}

{#- Does the text speak of a birthday? In the languages of the pattern seeds; French says "anniversaire" for it. -#}
{% macro birthday_text(column) -%}
    {{ regexp_found(column, "'birthday|födelsedag|fødselsdag|bursdag|anniversaire|aniversário|cumpleaños'") }}
{%- endmacro %}

{#- An id as the vendors write it in JSON: a number where it is one, else a text. -#}
{% macro json_id(column) -%}
    {{ json_number_or_text(column) }}
{%- endmacro %}

{#- Smile's reward fulfillment (https://dev.smile.io/api/resources/reward-fulfillments/reward-fulfillment-object). -#}
{% macro smile_fulfillment_json(alias) -%}
    {{ json_object_of({
        'id': json_id(alias ~ '.reward_fulfillment_id'),
        'name': alias ~ '.name',
        'code': alias ~ '.code',
        'customer_id': json_id(alias ~ '.customer_id'),
        'fulfillment_status': alias ~ '.fulfillment_status',
        'image_url': alias ~ '.image_url',
        'action_text': alias ~ '.action_text',
        'action_url': alias ~ '.action_url',
        'usage_instructions': alias ~ '.usage_instructions',
        'terms_and_conditions': alias ~ '.terms_and_conditions',
        'expires_at': iso_millisecond_text(alias ~ '.expires_at'),
        'usage_status': alias ~ '.usage_status',
        'used_at': iso_millisecond_text(alias ~ '.used_at'),
        'created_at': iso_millisecond_text(alias ~ '.created_at'),
        'updated_at': iso_millisecond_text(alias ~ '.updated_at'),
    }) }}
{%- endmacro %}

{#- Smile's points transaction (https://dev.smile.io/api/resources/points-transactions/points-transaction-object). -#}
{% macro smile_transaction_json(alias) -%}
    {{ json_object_of({
        'id': json_id(alias ~ '.points_transaction_id'),
        'customer_id': json_id(alias ~ '.customer_id'),
        'points_change': alias ~ '.points_change',
        'description': alias ~ '.description',
        'internal_note': alias ~ '.internal_note',
        'created_at': iso_millisecond_text(alias ~ '.created_at'),
        'updated_at': iso_millisecond_text(alias ~ '.updated_at'),
    }) }}
{%- endmacro %}

{#- A tier as Smile's change of tier shows it (https://dev.smile.io/api/resources/vip-tier-changes/vip-tier-change-object). -#}
{% macro smile_tier_json(alias) -%}
    case
        when {{ alias }}.tier_id is not null
            then {{ json_object_of({
                'id': json_id(alias ~ '.tier_id'),
                'name': alias ~ '.tier_name',
                'image_url': alias ~ '.icon_url',
            }) }}
    end
{%- endmacro %}

{#- A tier as Yotpo's webhooks show it (https://develop.yotpo.com/reference/vip-tier-earned). -#}
{% macro yotpo_tier_json(alias) -%}
    case
        when {{ alias }}.tier_id is not null
            then {{ json_object_of({
                'id': json_id(alias ~ '.tier_id'),
                'name': alias ~ '.tier_name',
                'description': alias ~ '.description',
                'points_earned': try_cast(json_text(alias ~ '.entry_thresholds', 'points_earned'), 'bigint'),
                'amount_spent_cents': try_cast(json_text(alias ~ '.entry_thresholds', 'amount_spent_cents'), 'bigint'),
                'purchases_made': try_cast(json_text(alias ~ '.entry_thresholds', 'purchases_made'), 'bigint'),
                'points_multiplier': 'cast(' ~ alias ~ '.points_multiplier as double)',
                'rank': alias ~ '.tier_rank',
            }) }}
    end
{%- endmacro %}

{#- A redemption option as Yotpo's webhooks show it (https://loyaltyapi.yotpo.com/reference/coupon-earned-redeemed). -#}
{% macro yotpo_option_json(alias) -%}
    case
        when {{ alias }}.redemption_option_id is not null
            then {{ json_object_of({
                'id': json_id(alias ~ '.redemption_option_id'),
                'name': alias ~ '.name',
                'description': alias ~ '.description',
                'icon': alias ~ '.icon',
                'cost_text': alias ~ '.cost_text',
                'amount': alias ~ '.amount',
            }) }}
    end
{%- endmacro %}

{#- The moments from the first to the last day on which a calendar event is told (see calendar_event_days). -#}
{% macro is_calendar_day(column, members='members', programs='programs') -%}
    {{ column }} <= cast({{ loyalty_now() }} as date)
    and {{ column }} > cast({{ dbt.dateadd('day', '-' ~ var('calendar_event_days'), loyalty_now()) }} as date)
    and {{ column }} >= {{ programs }}.first_on
    and {{ column }} >= coalesce(cast({{ members }}.joined_at as date), {{ column }})
{%- endmacro %}

{#-
    A customer as Yotpo's webhooks show it (https://loyaltyapi.yotpo.com/reference/points-earned), as far as REST tells
    it, from `profiles` and `members`; `more` are members that only some events have.
-#}
{% macro yotpo_customer_json(more={}) -%}
    {%- set shown = {
        'email': 'members.email',
        'first_name': 'members.first_name',
        'last_name': 'members.last_name',
        'total_spend_cents': 'profiles.total_spend_cents',
        'total_purchases': 'profiles.total_purchases',
        'last_purchase_at': iso_millisecond_text('profiles.last_purchase_at'),
        'perks_redeemed': 'profiles.perks_redeemed',
        'points_earned': 'profiles.points_earned',
        'points_balance': 'profiles.points_balance',
        'points_expire_at': iso_millisecond_text('profiles.points_expire_at'),
        'last_seen_at': iso_millisecond_text('profiles.last_seen_at'),
        'is_opt_in': 'profiles.is_opted_in',
        'loyalty_opt_in_date': 'profiles.opted_in_on',
        'has_store_account': 'profiles.has_store_account',
        'vip_tier_name': 'profiles.vip_tier_name',
        'vip_tier_ends_at': 'profiles.tier_ends_on',
        'referral_link': 'members.referral_url',
    } -%}
    {%- do shown.update(more) -%}
    {{ json_object_of(shown) }}
{%- endmacro %}

{#-
    The customer of something that the vendor's records or a reading tell. Their row says what is true now: it goes along
    where the thing is no older than event_present_days; of older things only who it was, for the rest would be told of
    the past. `more`: what the thing itself tells.
-#}
{% macro yotpo_customer_then_json(occurred_at, more={}) -%}
    {%- set who = {
        'email': 'members.email', 'first_name': 'members.first_name', 'last_name': 'members.last_name',
    } -%}
    {%- do who.update(more) -%}
    case
        when {{ occurred_at }} > {{ dbt.dateadd('day', '-' ~ var('event_present_days'), loyalty_now()) }}
            then {{ yotpo_customer_json(more) }}
        else {{ json_object_of(who) }}
    end
{%- endmacro %}
