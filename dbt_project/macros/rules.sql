{#- Rules that more than one model needs. Everything else is written once, in the model it belongs to. -#}

{#-
    The clock of the build: the variable `now`, else LOYALTY_BUILD_NOW of the environment, else the start of the run.
    The environment is asked at execution only, so that a new moment does not make dbt parse the project anew.
-#}
{% macro loyalty_now() -%}
    {%- set given = env_var('LOYALTY_BUILD_NOW', '') if execute else '' -%}
    cast('{{ var("now") or given or run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp)
{%- endmacro %}

{#- E-mails are compared and stored trimmed (of every kind of blank) and lower-cased; an empty one is none. -#}
{% macro normalised_email(column) -%}
    nullif(lower({{ regexp_replace_all(column, '^[\\s\\p{Z}\\p{Cc}]+|[\\s\\p{Z}\\p{Cc}]+$', '') }}), '')
{%- endmacro %}

{#- Currency of a programme: one for all, or a map by programme. -#}
{% macro currency_of(program_column) -%}
    {%- set currency = var('currency') -%}
    {%- if currency is mapping -%}
        case {{ program_column }}
            {%- for program, code in currency.items() %} when '{{ program }}' then '{{ code }}'{% endfor %} end
    {%- else -%}
        '{{ currency }}'
    {%- endif -%}
{%- endmacro %}

{#- Position of a programme in the priority list; programmes that are not listed come last. -#}
{% macro program_position(program_column) -%}
    case {{ program_column }}
        {%- for program in var('program_priority') %} when '{{ program }}' then {{ loop.index }}{% endfor %}
        else {{ (var('program_priority') | length) + 1 }} end
{%- endmacro %}

{#- Text that sorts ids as numbers where they are numbers: digits are padded, anything else stays. -#}
{% macro id_order(column) -%}
    case
        when {{ regexp_found(column, "'^[0-9]{1,40}$'") }} then lpad({{ column }}, 40, '0')
        else {{ column }}
    end
{%- endmacro %}

{#- min(numerator / denominator, 1) in steps of 0.0001, rounded down in whole numbers: doubles get about 2% of them wrong. -#}
{% macro ratio_rounded_down(numerator, denominator) -%}
    cast(
        cast(least({{ integer_divide('(' ~ numerator ~ ') * 10000', denominator) }}, 10000) as decimal(9, 0))
        * cast(0.0001 as decimal(5, 4)) as decimal(5, 4)
    )
{%- endmacro %}

{#- Share of a whole, to the nearest 0.0001; null of nothing. For counts that are compared, not for progress to a goal. -#}
{% macro share_of(part, whole) -%}
    cast(cast({{ part }} as decimal(18, 6)) / nullif({{ whole }}, 0) as decimal(5, 4))
{%- endmacro %}

{#- Whole cents -> currency units, exact. -#}
{% macro cents_to_units(column) -%}
    cast(cast({{ column }} as decimal(18, 0)) * cast(0.01 as decimal(3, 2)) as decimal(18, 2))
{%- endmacro %}

{#-
    One row per key: the newest extraction wins. Only rows whose key repeats are sorted; raw tables are merged on their
    key, so these are normally none, and sorting everything would be the slowest step of the build. Which keys repeat is
    narrowed down by numbers, which group several times faster than texts. A key with a null in it repeats nothing.
-#}
{% macro deduplicated(relation, keys, order_by='all_rows.extract_id desc') -%}
    {%- set qualified = [] -%}
    {%- for key in keys %}{% do qualified.append('all_rows.' ~ key) %}{% endfor -%}
    (
        with repeated as (
            select {{ row_hash(qualified) }} as key_hash
            from {{ relation }} as all_rows
            where {{ qualified | join(' is not null and ') }} is not null
            group by {{ row_hash(qualified) }}
            having count(*) > 1
        )

        select all_rows.*
        from {{ relation }} as all_rows
        left join repeated on {{ row_hash(qualified) }} = repeated.key_hash
        where repeated.key_hash is null
        union all
        select {{ all_but('numbered', 'duplicate_number') }}
        from (
            select
                all_rows.*,
                row_number() over (partition by {{ qualified | join(', ') }} order by {{ order_by }}) as duplicate_number
            from {{ relation }} as all_rows
            inner join repeated on {{ row_hash(qualified) }} = repeated.key_hash
        ) as numbered
        where numbered.duplicate_number = 1
    )
{%- endmacro %}

{#-
    When records were gone: per extraction that last showed some of them, the first complete list of the resource after
    it, which no longer did. Rows join it on program and extract_id; one that finds nothing is still there. It goes by
    extraction, of which there are few, so that millions of rows are not compared with every list that ever was.
-#}
{% macro missed_by_lists(relation, resource, extract_id='extract_id') -%}
    (
        select
            shown.program,
            shown.extract_id,
            lists.extract_id as list_extract_id,
            lists.started_at as deleted_at
        from (select distinct program, {{ extract_id }} as extract_id from {{ relation }}) as shown
        inner join {{ ref('int_loyalty__extracts_ordered') }} as lists
            on
                shown.program = lists.program
                and lists.resource = '{{ resource }}'
                and shown.extract_id < lists.extract_id
                and shown.extract_id >= lists.previous_extract_id
    )
{%- endmacro %}

{#- A decimal as people write it: 5, not 5.00; 2.5, not 2.50. -#}
{% macro plain_number(column) -%}
    {{ regexp_replace_all(regexp_replace_all('cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')', '([.][0-9]*[1-9])0+$', '\\\\1'), '[.]0+$', '') }}
{%- endmacro %}

{#- Part of a tag: lower case, every run of anything but letters and digits becomes one hyphen, none at the ends. -#}
{% macro slug(column) -%}
    {{ regexp_replace_all(regexp_replace_all('lower(' ~ column ~ ')', '[^\\p{L}\\p{N}]+', '-'), '^-|-$', '') }}
{%- endmacro %}

{#- The order of rewards that a member can have, best first; of int_loyalty__rewards_ranked and the eligibility. -#}
{% macro best_reward_order(rewards='rewards', eligibility='eligibility') -%}
    {{ return([rewards ~ '.priority', '-' ~ eligibility ~ '.affordable_points', rewards ~ '.tie_order']) }}
{%- endmacro %}
