{#-
    The usable coupons of each member as JSON, in the order in which they should be used. Most members have one at most,
    and putting a list in order is the dear part: only those who have several are sorted.
-#}
{%- set coupon = json_object_of({
    'code': 'coupons.code',
    'name': 'coupons.coupon_name',
    'expires_at': iso_text('coupons.expires_at'),
    'value': 'coupons.value_amount',
}) -%}

with coupons as (
    select * from {{ ref('fct_coupons') }}
    where status = 'usable'
),

counted as (
    select
        program,
        member_id,
        count(*) as coupon_count
    from coupons
    group by program, member_id
)

select
    coupons.program,
    coupons.member_id,
    counted.coupon_count,
    {{ json_list(coupon) }} as coupons
from coupons
inner join counted
    on
        coupons.program = counted.program
        and coupons.member_id = counted.member_id
where counted.coupon_count = 1
group by coupons.program, coupons.member_id, counted.coupon_count
union all
select
    coupons.program,
    coupons.member_id,
    counted.coupon_count,
    {{ json_list(
        coupon, 'coupons.expires_at asc nulls last, ' ~ id_order('coupons.coupon_id') ~ ', coupons.coupon_id'
    ) }} as coupons
from coupons
inner join counted
    on
        coupons.program = counted.program
        and coupons.member_id = counted.member_id
where counted.coupon_count > 1
group by coupons.program, coupons.member_id, counted.coupon_count
