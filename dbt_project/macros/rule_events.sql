{#- How the attributes of an event become fields in Rule: Group.Field as text, as Rule's own integration names them. -#}

{#- `YYYY-MM-DD HH:MM:SS` (UTC) of a text of the vendor; Rule has no zone. -#}
{% macro rule_datetime(expression) -%}
    substring(cast({{ text_to_utc_timestamp(expression) }} as {{ dbt.type_string() }}), 1, 19)
{%- endmacro %}

{#- A date of three members of the customer: none where one of them is missing. -#}
{% macro rule_date(column, kind) -%}
    {%- set parts = [] -%}
    {%- for part in ['year', 'month', 'day'] -%}
        {%- do parts.append(try_cast(json_text(column, 'customer.' ~ kind ~ '_' ~ part), 'integer')) -%}
    {%- endfor -%}
    cast({{ date_from_parts(parts[0], parts[1], parts[2]) }} as {{ dbt.type_string() }})
{%- endmacro %}

{#- Name of the shop, which only newer bodies hold: the variable yotpo_store_name, one for all or a map by programme. -#}
{% macro yotpo_store_name(column, program_column) -%}
    {%- set named = var('yotpo_store_name') -%}
    {%- if named is mapping -%}
        coalesce({{ json_text(column, 'store_name') }}, case {{ program_column }}
            {%- for program, name in named.items() %} when '{{ program }}' then '{{ name | replace("'", "''") }}'{% endfor %} end)
    {%- elif named is not none -%}
        coalesce({{ json_text(column, 'store_name') }}, '{{ named | replace("'", "''") }}')
    {%- else -%}
        {{ json_text(column, 'store_name') }}
    {%- endif -%}
{%- endmacro %}

{#-
    A member of the customer. The legacy body of a completed referral calls the customer the referrer, and has no other.
-#}
{% macro yotpo_customer_text(column, event_type, name) -%}
    coalesce(
        {{ json_text(column, 'customer.' ~ name) }},
        case when {{ event_type }} = 'referral_completed' then {{ json_text(column, 'referrer.' ~ name) }} end
    )
{%- endmacro %}

{#-
    Fields of Yotpo's groups (https://help.rule.io/en/articles/349490-yotpo-loyalty). Which groups an event has follows
    from what its JSON holds, but for three that belong to one type each.
-#}
{% macro yotpo_rule_fields(column, event_type, program_column) -%}
    {%- set paths = {
        'Yotpo.RedemptionRewardText': 'redemption.reward_text',
        'Yotpo.RedemptionName': 'redemption_option.name',
        'Yotpo.RedemptionDescription': 'redemption_option.description',
        'Yotpo.RedemptionAmount': 'redemption_option.amount',
        'Yotpo.PerkID': 'perk.id',
        'Yotpo.PerkCampaignID': 'perk.campaign_id',
        'Yotpo.PerkRewardPoints': 'perk.reward_points',
        'Yotpo.PerkHistoryTitle': 'perk.history_title',
        'Yotpo.RedemptionPointsNeeded': 'points_needed',
        'Yotpo.ReferredToEmail': 'referred_customer.email',
        'Yotpo.ReferredToFirstName': 'referred_customer.first_name',
        'Yotpo.ReferredToLastName': 'referred_customer.last_name',
        'Yotpo.ProductReferralLink': 'product_referral_link',
        'Yotpo.ProductID': 'product_id',
        'Yotpo.ProductName': 'product_name',
        'Yotpo.ProductImageURL': 'image_url',
    } -%}
    {%- set members = {'Yotpo.StoreName': yotpo_store_name(column, program_column)} -%}
    {%- for field, name in {
        'Subscriber.FirstName': 'first_name',
        'Subscriber.LastName': 'last_name',
        'Yotpo.TotalSpendCents': 'total_spend_cents',
        'Yotpo.TotalPurchases': 'total_purchases',
        'Yotpo.PerksRedeemed': 'perks_redeemed',
        'Yotpo.PointsEarned': 'points_earned',
        'Yotpo.PointsBalance': 'points_balance',
        'Yotpo.IsMember': 'is_member',
    }.items() -%}
        {%- do members.update({field: yotpo_customer_text(column, event_type, name)}) -%}
    {%- endfor -%}
    {%- for field, path in paths.items() -%}
        {%- do members.update({field: json_text(column, path)}) -%}
    {%- endfor -%}
    {%- for field, path in {'LastPurchaseAt': 'last_purchase_at', 'PointsExpireAt': 'points_expire_at', 'LastSeenAt': 'last_seen_at'}.items() -%}
        {%- do members.update({'Yotpo.' ~ field: rule_datetime(yotpo_customer_text(column, event_type, path))}) -%}
    {%- endfor -%}
    {%- for tier in ['New', 'Old'] -%}
        {%- for field, name in {
            'ID': 'id', 'Name': 'name', 'Description': 'description', 'PointsEarned': 'points_earned',
            'AmountSpentCents': 'amount_spent_cents', 'PurchasesMade': 'purchases_made',
            'PointsMultiplier': 'points_multiplier', 'Rank': 'rank',
        }.items() -%}
            {%- do members.update({'Yotpo.' ~ tier ~ 'Tier' ~ field: json_text(column, tier | lower ~ '_tier.' ~ name)}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for field, name in {
        'Points': 'pointsEarned', 'AmountCents': 'amountSpentCents', 'Purchases': 'purchasesMade', 'Referrals': 'referralsCompleted',
    }.items() -%}
        {%- do members.update({'Yotpo.TierStatsCurrent' ~ field: json_text(column, 'vip_stats.' ~ name)}) -%}
    {%- endfor -%}
    {%- for needed in ['Maintain', 'Next'] -%}
        {%- for field, name in {
            'Points': 'points_needed', 'AmountCents': 'amount_cents_needed', 'Purchases': 'purchases_needed', 'Referrals': 'referrals_needed',
        }.items() -%}
            {%- do members.update({
                'Yotpo.TierStatsNeeded' ~ needed ~ field: json_text(column, 'vip_stats_needed_' ~ needed | lower ~ '.' ~ name),
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {#- The one who shares: an object, or the address alone. -#}
    {%- set sharer = "coalesce(" ~ json_text(column, 'from.email') ~ ", case when " ~ json_text(column, 'from')
        ~ " like '%@%' and position('{' in " ~ json_text(column, 'from') ~ ") = 0 then " ~ json_text(column, 'from')
        ~ " end, " ~ json_text(column, 'customer.email') ~ ")" -%}
    {%- set first = "coalesce(" ~ json_text(column, 'from.first_name') ~ ", " ~ json_text(column, 'customer.first_name') ~ ")" -%}
    {%- set last = "coalesce(" ~ json_text(column, 'from.last_name') ~ ", " ~ json_text(column, 'customer.last_name') ~ ")" -%}
    {%- for prefix, types in {
        'Referred': "('referral_link_share', 'referral_share_reminder')",
        'ProductReferred': "('referral_product_share', 'referral_product_share_reminder')",
    }.items() -%}
        {%- for field, expression in {'Email': sharer, 'FirstName': first, 'LastName': last}.items() -%}
            {%- do members.update({
                'Yotpo.' ~ prefix ~ 'By' ~ field: 'case when ' ~ event_type ~ ' in ' ~ types ~ ' then ' ~ expression ~ ' end',
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do members.update({
        'Yotpo.ReferredByReferralLink': "case when " ~ event_type ~ " in ('referral_link_share', 'referral_share_reminder') then "
            ~ json_text(column, 'referral_link') ~ " end",
        'Subscriber.Birthday': "case when " ~ event_type ~ " = 'customer_birthday_captured' then " ~ rule_date(column, 'birth') ~ " end",
        'Subscriber.Anniversary': "case when " ~ event_type ~ " = 'customer_anniversary_captured' then "
            ~ rule_date(column, 'anniversary') ~ " end",
        'Yotpo.OptIn': "case " ~ event_type ~ " when 'loyalty_opt_in' then 'true' when 'loyalty_opt_out' then 'false' end",
        'Yotpo.OptInDate': "case when " ~ event_type ~ " in ('loyalty_opt_in', 'loyalty_opt_out') then "
            ~ rule_datetime(json_text(column, 'customer.loyalty_opt_in_date')) ~ " end",
    }) -%}
    {#- Of a share the customer is the one who shares: nothing of theirs belongs to the friend. -#}
    {%- set friends = "('referral_link_share', 'referral_share_reminder', 'referral_product_share', 'referral_product_share_reminder')" -%}
    {%- for field, expression in members.items() -%}
        {%- if 'customer.' in expression and 'ReferredBy' not in field -%}
            {%- do members.update({field: 'case when ' ~ event_type ~ ' not in ' ~ friends ~ ' then ' ~ expression ~ ' end'}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ json_without_nulls(json_object_of(members)) }}
{%- endmacro %}

{#- Fields of a Smile programme: a group of our own, because Rule has no integration with Smile. -#}
{% macro smile_rule_fields(column) -%}
    {{ json_without_nulls(json_object_of({
        'LoyaltyEvent.PointsChange': json_text(column, 'points_change'),
        'LoyaltyEvent.Description': json_text(column, 'description'),
        'LoyaltyEvent.PointsExpiring': json_text(column, 'points_expiring'),
        'LoyaltyEvent.RewardName': 'coalesce(' ~ json_text(column, 'reward_fulfillment.name') ~ ', ' ~ json_text(column, 'name') ~ ')',
        'LoyaltyEvent.CouponCode': 'coalesce(' ~ json_text(column, 'reward_fulfillment.code') ~ ', ' ~ json_text(column, 'code') ~ ')',
        'LoyaltyEvent.CouponExpiresAt': rule_datetime(
            'coalesce(' ~ json_text(column, 'reward_fulfillment.expires_at') ~ ', ' ~ json_text(column, 'expires_at') ~ ')'
        ),
        'LoyaltyEvent.TierName': json_text(column, 'current_vip_tier.name'),
        'LoyaltyEvent.PreviousTierName': json_text(column, 'previous_vip_tier.name'),
    })) }}
{%- endmacro %}
