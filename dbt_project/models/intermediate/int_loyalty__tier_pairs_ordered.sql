{#-
    Which of two tiers is the higher one, and when that was so. Ranks are compared only where both tiers had one at the
    same time: a rank moves down when a tier below ends. The first such moment also answers for the time before it, the
    last one for the time after. Tiers that never had ranks together are compared by what entering them took.
-#}
{{ config(materialized='table') }}

{%- set beginning = "cast('0001-01-01 00:00:00' as timestamp)" %}
{%- set end = "cast('9999-12-31 00:00:00' as timestamp)" %}

with terms as (
    select * from {{ ref('fct_tier_terms') }}
),

compared as (
    select
        lower_terms.program,
        lower_terms.tier_id as from_tier_id,
        upper_terms.tier_id as to_tier_id,
        greatest(lower_terms.valid_from_at, upper_terms.valid_from_at) as compared_at,
        case when lower_terms.tier_rank < upper_terms.tier_rank then 'up' else 'down' end as direction
    from terms as lower_terms
    inner join terms as upper_terms
        on
            lower_terms.program = upper_terms.program
            and lower_terms.tier_id <> upper_terms.tier_id
            and lower_terms.tier_rank <> upper_terms.tier_rank
            and lower_terms.valid_from_at < coalesce(upper_terms.valid_to_at, {{ end }})
            and upper_terms.valid_from_at < coalesce(lower_terms.valid_to_at, {{ end }})
),

periods as (
    select
        program,
        from_tier_id,
        to_tier_id,
        direction,
        case
            when row_number() over (partition by program, from_tier_id, to_tier_id order by compared_at) = 1
                then {{ beginning }}
            else compared_at
        end as known_from_at,
        coalesce(
            lead(compared_at) over (partition by program, from_tier_id, to_tier_id order by compared_at), {{ end }}
        ) as known_to_at
    from compared
),

latest_terms as (
    select
        program,
        tier_id,
        entry_basis,
        entry_threshold
    from terms
    where valid_to_at is null
)

select
    program,
    from_tier_id,
    to_tier_id,
    known_from_at,
    known_to_at,
    direction
from periods
where known_from_at < known_to_at
union all
select
    lower_terms.program,
    lower_terms.tier_id as from_tier_id,
    upper_terms.tier_id as to_tier_id,
    {{ beginning }} as known_from_at,
    {{ end }} as known_to_at,
    case when lower_terms.entry_threshold < upper_terms.entry_threshold then 'up' else 'down' end as direction
from latest_terms as lower_terms
inner join latest_terms as upper_terms
    on
        lower_terms.program = upper_terms.program
        and lower_terms.entry_basis = upper_terms.entry_basis
        and lower_terms.entry_threshold <> upper_terms.entry_threshold
left join compared
    on
        lower_terms.program = compared.program
        and lower_terms.tier_id = compared.from_tier_id
        and upper_terms.tier_id = compared.to_tier_id
where compared.program is null
