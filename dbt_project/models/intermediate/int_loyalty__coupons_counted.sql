{#- Usable coupons per member, and the one to use first: soonest expiry, none last, then lowest id. -#}
with usable as (
    select * from {{ ref('fct_coupons') }}
    where status = 'usable'
),

numbered as (
    select
        *,
        row_number() over (
            partition by program, member_id
            order by expires_at asc nulls last, {{ id_order('coupon_id') }}, coupon_id
        ) as use_order,
        count(*) over (partition by program, member_id) as coupon_count
    from usable
)

select
    program,
    member_id,
    coupon_count,
    code,
    expires_at
from numbered
where use_order = 1
