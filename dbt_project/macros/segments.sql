{#-
    The segments, one row each: the only place where a segment is named, described and decided. `condition` is one line of
    SQL over int_loyalty__member_facts_joined; null counts as no. Names become tags and values of Loyalty Segments, so a
    marketer's flow depends on them: add freely, rename never. `owner` is who answers for the rule.
-#}
{% macro segments() -%}
    {%- set recent = var('segment_recent_days') -%}
    {%- set active = var('segment_active_days') -%}
    {%- set lapsed = var('segment_lapsed_days') -%}
    {%- set soon = var('segment_soon_days') -%}
    {%- set new = var('segment_new_member_days') -%}
    {%- set rows = [
        {
            'name': 'active-members', 'title': 'Active members', 'owner': 'CRM',
            'description': 'Earned, redeemed or were seen within the last ' ~ active ~ ' days.',
            'condition': 'days_since_activity <= ' ~ active,
        },
        {
            'name': 'birthday-next-7-days', 'title': 'Birthday in the next 7 days', 'owner': 'CRM',
            'description': 'Birthday today or within the 7 days after it (UTC). Who was born on 29 February has it on 28 February in years that have no 29th.',
            'condition': 'days_to_birthday <= 7',
        },
        {
            'name': 'coupon-expiring-soon', 'title': 'Unused coupon about to expire', 'owner': 'CRM',
            'description': 'Holds a usable coupon that expires within ' ~ soon ~ ' days.',
            'condition': 'days_to_coupon_expiry <= ' ~ soon,
        },
        {
            'name': 'frequent-advocates', 'title': 'Frequent advocates', 'owner': 'Loyalty',
            'description': 'At least ' ~ var('segment_advocate_referrals') ~ ' completed referrals ever.',
            'condition': 'completed_referral_count >= ' ~ var('segment_advocate_referrals'),
        },
        {
            'name': 'frequent-redeemers', 'title': 'Redeemed more than twice in the last month', 'owner': 'Loyalty',
            'description': 'More than ' ~ var('segment_frequent_redemptions') ~ ' redemptions within the last ' ~ recent ~ ' days.',
            'condition': 'recent_redemption_count > ' ~ var('segment_frequent_redemptions'),
        },
        {
            'name': 'lapsed-regulars', 'title': 'Lapsed regulars to win back', 'owner': 'CRM',
            'description': 'At least ' ~ var('segment_regular_orders') ~ ' orders that earned points, and no activity for more than ' ~ lapsed ~ ' days.',
            'condition': 'order_count >= ' ~ var('segment_regular_orders') ~ ' and days_since_activity > ' ~ lapsed,
        },
        {
            'name': 'lapsed-with-balance', 'title': 'Lapsed with a balance', 'owner': 'CRM',
            'description': 'No activity for more than ' ~ lapsed ~ ' days, and at least 1 point to spend.',
            'condition': 'points_balance >= 1 and days_since_activity > ' ~ lapsed,
        },
        {
            'name': 'never-earned', 'title': 'Joined and never earned', 'owner': 'Loyalty',
            'description': 'Joined more than ' ~ new ~ ' days ago and has no earning in the ledger.',
            'condition': 'earn_count = 0 and days_since_join > ' ~ new,
        },
        {
            'name': 'never-redeemed-with-enough-points', 'title': 'Enough points but never redeemed', 'owner': 'Loyalty',
            'description': 'Can redeem at least one reward now and has never redeemed any.',
            'condition': 'eligible_reward_count > 0 and redemption_count = 0',
        },
        {
            'name': 'new-members', 'title': 'New members', 'owner': 'CRM',
            'description': 'Joined within the last ' ~ new ~ ' days.',
            'condition': 'days_since_join <= ' ~ new,
        },
        {
            'name': 'no-second-order', 'title': 'One order, no second', 'owner': 'CRM',
            'description': 'Exactly one order that earned points, more than ' ~ new ~ ' days ago.',
            'condition': 'order_count = 1 and days_since_order > ' ~ new,
        },
        {
            'name': 'one-order-from-next-reward', 'title': 'One order away from the next reward', 'owner': 'Loyalty',
            'description': 'The points missing for the next reward are no more than what this member usually earns with an order (mean of all orders, rounded down).',
            'condition': 'points_to_next_reward <= usual_order_points',
        },
        {
            'name': 'one-order-from-next-tier', 'title': 'One order away from the next tier', 'owner': 'Loyalty',
            'description': 'All that is missing for the next tier is points, no more than this member usually earns with an order, or a single purchase.',
            'condition': 'coalesce(points_to_next_tier, purchases_to_next_tier) is not null and coalesce(points_to_next_tier <= usual_order_points, points_to_next_tier is null) and coalesce(purchases_to_next_tier, 0) <= 1 and coalesce(amount_to_next_tier, 0) = 0 and coalesce(referrals_to_next_tier, 0) = 0',
        },
        {
            'name': 'points-expiring-7-days', 'title': 'Points expiring within 7 days', 'owner': 'CRM',
            'description': 'Points expire within 7 days. Members of this segment are in those of 14 and 30 days too.',
            'condition': 'points_expiring > 0 and days_to_points_expiry <= 7',
        },
        {
            'name': 'points-expiring-14-days', 'title': 'Points expiring within 14 days', 'owner': 'CRM',
            'description': 'Points expire within 14 days. Members of this segment are in that of 30 days too.',
            'condition': 'points_expiring > 0 and days_to_points_expiry <= 14',
        },
        {
            'name': 'points-expiring-30-days', 'title': 'Points expiring within 30 days', 'owner': 'CRM',
            'description': 'Points expire within 30 days.',
            'condition': 'points_expiring > 0 and days_to_points_expiry <= 30',
        },
        {
            'name': 'recent-tier-climbers', 'title': 'Active members who recently reached a higher tier', 'owner': 'Loyalty',
            'description': 'The latest change of tier went up and is at most ' ~ recent ~ ' days old, and the member was active within ' ~ active ~ ' days.',
            'condition': "last_tier_direction = 'up' and days_since_tier_change <= " ~ recent ~ ' and days_since_activity <= ' ~ active,
        },
        {
            'name': 'tier-at-risk', 'title': 'Tier at risk', 'owner': 'Loyalty',
            'description': 'Something is still needed to keep the tier, and it ends within ' ~ var('tier_at_risk_days') ~ ' days.',
            'condition': 'is_tier_at_risk',
        },
        {
            'name': 'top-balances', 'title': 'Highest balances', 'owner': 'Finance',
            'description': 'The balance is among the highest ' ~ var('segment_top_balance_percent') ~ ' % of the positive balances of the programme; ties at the limit are in.',
            'condition': 'points_balance >= top_balance_points',
        },
        {
            'name': 'top-tier', 'title': 'Members of the highest tier', 'owner': 'Loyalty',
            'description': 'In the highest tier that the programme has now.',
            'condition': 'tier_rank = top_tier_rank',
        },
        {
            'name': 'unused-coupon', 'title': 'Unused coupon', 'owner': 'CRM',
            'description': 'Holds at least one coupon that can be used now.',
            'condition': 'usable_coupon_count > 0',
        },
    ] -%}
    {{ return(rows | sort(attribute='name')) }}
{%- endmacro %}

{#- A text as SQL literal. -#}
{% macro text_literal(text) -%}
    '{{ text | replace("'", "''") }}'
{%- endmacro %}

{#- The day of the year on which a birthday is kept: 28 February for the 29th where the year has none. -#}
{% macro birthday_in(year, month, day) -%}
    coalesce(
        {{ date_from_parts(year, month, day) }},
        case when {{ month }} = 2 and {{ day }} = 29 then {{ date_from_parts(year, 2, 28) }} end
    )
{%- endmacro %}
