{#- Who speaks for an e-mail within a programme. Deleted members never do; members without an e-mail have none to speak for. -#}
{{ config(materialized='table') }}

with members as (
    select
        program,
        vendor,
        member_id,
        email,
        membership,
        points_balance,
        updated_at,
        row_number() over (
            partition by program, email
            order by
                case when membership = 'member' then 0 else 1 end,
                points_balance desc nulls last,
                updated_at desc nulls last,
                {{ id_order('member_id') }},
                member_id
        ) as speaking_order
    from {{ ref('dim_members') }}
    where email is not null and not is_deleted
)

select
    program,
    vendor,
    member_id,
    email,
    membership,
    points_balance,
    updated_at,
    speaking_order = 1 as is_speaker
from members
