{#- How points move, and when they end: rules that several models of models/marts/points need. -#}

{#-
    The column of the roll-forward that a ledger row belongs to (those of Yotpo's points liability report). Points that
    come back from a redemption are reimbursed; points that are taken back because an order was are reversed.
-#}
{% macro points_movement(kind, points) -%}
    case
        when {{ kind }} = 'expire' then 'expired'
        when {{ kind }} = 'adjust' then 'adjusted'
        when {{ kind }} = 'redeem' and {{ points }} < 0 then 'redeemed'
        when {{ kind }} = 'earn' and {{ points }} >= 0 then 'earned'
        when {{ kind }} in ('redeem', 'refund') and {{ points }} >= 0 then 'reimbursed'
        else 'reversed'
    end
{%- endmacro %}

{#-
    The day (UTC) on which a ledger row counts. A row without a moment counts on the programme's first day, like an
    opening balance; one that is dated after the clock counts on the clock's day, so that the total ties every day.
-#}
{% macro points_day(occurred_at, first_on) -%}
    least(coalesce(cast({{ occurred_at }} as date), {{ first_on }}), cast({{ loyalty_now() }} as date))
{%- endmacro %}

{#-
    What points_expiry_policy says of a programme, checked: the name of the policy (none, inactivity, date_earned) or,
    asked for one policy, its days; null where the programme has another. smile_points_expiry_days is the policy of
    every programme that is not listed and whose vendor tells no expiry (`is_configured_here`: Smile's).
-#}
{% macro points_expiry(program, is_configured_here, days_of=none) -%}
    {%- set policies = var('points_expiry_policy') -%}
    {%- set smile_days = var('smile_points_expiry_days') -%}
    case
        {%- if policies is mapping -%}
        {%- for name, given in policies.items() %}
        {%- set policy = 'none' if given.policy in ('never', none) else given.policy -%}
        {%- if policy not in ('none', 'inactivity', 'date_earned') -%}
            {{ exceptions.raise_compiler_error("points_expiry_policy of " ~ name ~ ": the policy must be none, never, inactivity or date_earned, not " ~ policy) }}
        {%- elif policy != 'none' and not (given.days is integer and given.days > 0) -%}
            {{ exceptions.raise_compiler_error("points_expiry_policy of " ~ name ~ ": days must be a whole number above 0") }}
        {%- endif %}
        when {{ program }} = '{{ name }}'
            then {% if not days_of %}'{{ policy }}'{% elif policy == days_of %}{{ given.days }}{% else %}cast(null as integer){% endif %}
        {%- endfor %}
        {%- endif %}
        {%- if smile_days is not none %}
        when {{ is_configured_here }}
            then {% if not days_of %}'inactivity'{% elif days_of == 'inactivity' %}{{ smile_days }}{% else %}cast(null as integer){% endif %}
        {%- endif %}
        when {{ program }} is not null then {% if not days_of %}'none'{% else %}cast(null as integer){% endif %}
    end
{%- endmacro %}
