{#- What kind of movement a ledger text means, decided once per distinct text: millions of rows share a few texts. -#}
{{ config(materialized='table') }}

with descriptions as (
    select
        'smile' as vendor,
        description
    from {{ ref('stg_smile__points_transactions') }}
    union
    select
        'yotpo' as vendor,
        description
    from {{ ref('int_yotpo__history_items_parsed') }}
),

patterns as (
    select * from {{ ref('points_patterns') }}
),

matches as (
    select
        descriptions.vendor,
        descriptions.description,
        patterns.transaction_kind,
        patterns.is_order_earn,
        row_number() over (
            partition by descriptions.vendor, descriptions.description
            order by patterns.priority asc, length(patterns.pattern) desc, patterns.pattern asc
        ) as match_number
    from descriptions
    inner join patterns
        on
            descriptions.vendor = patterns.vendor
            and lower(trim(descriptions.description)) like lower(patterns.pattern)
)

select
    vendor,
    description,
    transaction_kind,
    is_order_earn
from matches
where match_number = 1
