{#- The usable coupons of each member as JSON, in the order in which they should be used. -#}
with coupons as (
    select * from {{ ref('fct_coupons') }}
    where status = 'usable'
)

select
    program,
    member_id,
    count(*) as coupon_count,
    {{ json_list(
        json_object_of({
            'code': 'code',
            'name': 'coupon_name',
            'expires_at': iso_text('expires_at'),
            'value': 'value_amount',
        }),
        'expires_at asc nulls last, ' ~ id_order('coupon_id') ~ ', coupon_id'
    ) }} as coupons
from coupons
group by program, member_id
