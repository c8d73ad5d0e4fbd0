{#- What kind of movement a ledger text means, decided once per shape of text: millions of rows share a few, even where
    each names the number of its order. Numbers count only if a pattern of the seed tells them apart. -#}
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

number_patterns as (
    select count(*) as pattern_count
    from patterns
    where {{ regexp_found('pattern', "'[0-9_]'") }}
),

shaped as (
    select
        descriptions.vendor,
        descriptions.description,
        case
            when number_patterns.pattern_count > 0 then lower(trim(descriptions.description))
            else {{ regexp_replace_all('lower(trim(descriptions.description))', '[0-9]+', '0') }}
        end as shape
    from descriptions
    cross join number_patterns
),

shapes as (
    select distinct
        vendor,
        shape
    from shaped
),

matches as (
    select
        shapes.vendor,
        shapes.shape,
        patterns.transaction_kind,
        patterns.is_order_earn,
        row_number() over (
            partition by shapes.vendor, shapes.shape
            order by patterns.priority asc, length(patterns.pattern) desc, patterns.pattern asc
        ) as match_number
    from shapes
    inner join patterns
        on
            shapes.vendor = patterns.vendor
            and shapes.shape like lower(patterns.pattern)
)

select
    shaped.vendor,
    shaped.description,
    matches.transaction_kind,
    matches.is_order_earn
from shaped
inner join matches
    on
        shaped.vendor = matches.vendor
        and shaped.shape = matches.shape
where matches.match_number = 1
