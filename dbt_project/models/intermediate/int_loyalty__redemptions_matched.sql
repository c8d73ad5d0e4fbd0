{#- Which reward a ledger text of a redemption names: the whole text, or its end after anything but a letter or digit. -#}
{{ config(materialized='table') }}

with texts as (
    select distinct
        program,
        description
    from {{ ref('fct_points_transactions') }}
    where transaction_kind = 'redeem' and description is not null
),

-- a name that two rewards share names neither
names as (
    select
        program,
        lower(trim(reward_name)) as name_text,
        min(reward_id) as reward_id
    from {{ ref('dim_rewards') }}
    where trim(reward_name) <> ''
    group by program, lower(trim(reward_name))
    having count(*) = 1
),

matches as (
    select
        texts.program,
        texts.description,
        names.reward_id,
        -- of names that end alike the longer one says more
        row_number() over (
            partition by texts.program, texts.description order by length(names.name_text) desc, names.reward_id
        ) as match_number
    from texts
    inner join names
        on
            texts.program = names.program
            and right(lower(trim(texts.description)), length(names.name_text)) = names.name_text
            and (
                length(trim(texts.description)) = length(names.name_text)
                or not {{ regexp_found(
                    "substring(trim(texts.description), length(trim(texts.description)) - length(names.name_text), 1)",
                    "'[\\p{L}\\p{N}$€£.,]'"
                ) }}
            )
)

select
    program,
    description,
    reward_id
from matches
where match_number = 1
