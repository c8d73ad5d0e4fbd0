{#- One row per e-mail: who is asked for the common properties, for each vendor's own ones, and for the coupons. -#}
{{ config(materialized='table') }}

with emails as (
    select distinct email from {{ ref('dim_members') }}
    where email is not null
),

speakers as (
    select
        *,
        {{ program_position('program') }} as position
    from {{ ref('int_loyalty__emails_spoken') }}
    where is_speaker
),

coupons as (
    select * from {{ ref('int_loyalty__coupons_counted') }}
),

common as (
    select
        email,
        {{ first_by('program', ['position', 'program']) }} as program,
        {{ first_by('member_id', ['position', 'program']) }} as member_id
    from speakers
    where membership = 'member'
    group by email
),

{% for vendor in ['smile', 'yotpo'] -%}
{%- set vendor_order = ["case membership when 'member' then 0 else 1 end", 'position', 'program'] -%}
{{ vendor }} as (
    select
        email,
        {{ first_by('program', vendor_order) }} as program,
        {{ first_by('member_id', vendor_order) }} as member_id,
        {{ first_by('membership', vendor_order) }} as membership
    from speakers
    where vendor = '{{ vendor }}'
    group by email
),

{% endfor -%}
-- whoever is no member anywhere still sees the unused coupons, unless excluded
coupon_holders as (
    select
        speakers.email,
        {{ first_by('speakers.program', ['speakers.position', 'speakers.program']) }} as program,
        {{ first_by('speakers.member_id', ['speakers.position', 'speakers.program']) }} as member_id
    from speakers
    inner join coupons
        on
            speakers.program = coupons.program
            and speakers.member_id = coupons.member_id
    where speakers.membership in ('non_member', 'unknown')
    group by speakers.email
)

select
    emails.email,
    common.email is not null as is_member,
    common.program,
    common.member_id,
    {%- for vendor in ['smile', 'yotpo'] %}
    {{ vendor }}.program as {{ vendor }}_program,
    {{ vendor }}.member_id as {{ vendor }}_member_id,
    {{ vendor }}.membership as {{ vendor }}_membership,
    {%- endfor %}
    case when common.email is not null then common.program else coupon_holders.program end as coupon_program,
    case when common.email is not null then common.member_id else coupon_holders.member_id end as coupon_member_id
from emails
left join common on emails.email = common.email
left join smile on emails.email = smile.email
left join yotpo on emails.email = yotpo.email
left join coupon_holders on emails.email = coupon_holders.email
