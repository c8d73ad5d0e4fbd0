{#- One list of members for both vendors, every column named; a table because most marts start from it. -#}
{{ config(materialized='table') }}

{%- set columns = [
    'program', 'member_id', 'email', 'source_email', 'first_name', 'last_name', 'source_state', 'membership',
    'points_balance', 'vendor_points_earned', 'tier_id', 'vendor_tier_name', 'tier_entered_at', 'tier_expires_at',
    'referral_url', 'birth_month', 'birth_day', 'birth_year', 'anniversary_day', 'anniversary_month', 'anniversary_year',
    'vendor_joined_at', 'last_seen_at',
    'vendor_points_expire_at', 'vendor_points_expiring', 'is_expiry_configured_here', 'is_deleted', 'deleted_at',
    'updated_at', 'is_history_known', 'seen_at',
] %}

{% for vendor in ['smile', 'yotpo'] -%}
select
    '{{ vendor }}' as vendor,
    {{ columns | join(',\n    ') }}
from {{ ref('int_' ~ vendor ~ '__members_normalised') }}
{% if not loop.last %}
union all

{% endif %}
{%- endfor %}
