{#- Smile gives the money value of a reward in its name only: what the reviewed patterns find there, per distinct name. -#}
with texts as (
    select reward_name as reward_text from {{ ref('stg_smile__points_products') }}
    union
    select name as reward_text from {{ ref('stg_smile__reward_fulfillments') }}
),

patterns as (
    select * from {{ ref('reward_value_patterns') }}
),

matches as (
    select
        texts.reward_text,
        patterns.priority,
        patterns.pattern,
        patterns.discount_type,
        {{ try_cast("replace(" ~ regexp_group('texts.reward_text', 'patterns.pattern') ~ ", ',', '.')", 'decimal(18, 2)') }} as discount_value
    from texts
    inner join patterns on {{ regexp_found('texts.reward_text', 'patterns.pattern') }}
),

numbered as (
    select
        *,
        row_number() over (partition by reward_text order by priority, pattern) as match_number
    from matches
)

select
    reward_text,
    discount_type,
    case when discount_type in ('fixed_amount', 'percentage') then discount_value end as discount_value
from numbered
where match_number = 1
