{#-
    Everything that is written differently on another engine. Models call the macro without a prefix; an engine
    brings its own version as `<adapter>__<name>`, and no model changes.
-#}

{#- A point in time with zone -> the plain UTC timestamp that marts hold. -#}
{% macro utc_timestamp(column) -%}
    {{ adapter.dispatch('utc_timestamp', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__utc_timestamp(column) -%}
    cast({{ column }} at time zone 'UTC' as timestamp)
{%- endmacro %}

{#- Text in any of the vendors' date formats -> UTC timestamp; null where it is none. Without a zone it is UTC. -#}
{% macro text_to_utc_timestamp(column) -%}
    {{ adapter.dispatch('text_to_utc_timestamp', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__text_to_utc_timestamp(column) -%}
    cast(try_cast({{ column }} as timestamptz) at time zone 'UTC' as timestamp)
{%- endmacro %}

{#- A timestamp as text such as 2026-11-21T06:00:00Z. -#}
{% macro iso_text(column) -%}
    {{ adapter.dispatch('iso_text', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__iso_text(column) -%}
    strftime({{ column }}, '%Y-%m-%dT%H:%M:%SZ')
{%- endmacro %}

{#- Cast that gives null instead of an error. -#}
{% macro try_cast(expression, data_type) -%}
    {{ adapter.dispatch('try_cast', 'loyalty')(expression, data_type) }}
{%- endmacro %}
{% macro duckdb__try_cast(expression, data_type) -%}
    try_cast({{ expression }} as {{ data_type }})
{%- endmacro %}

{#- Whole-number division; both operands are >= 0, so rounding down and rounding to zero are the same. -#}
{% macro integer_divide(numerator, denominator) -%}
    {{ adapter.dispatch('integer_divide', 'loyalty')(numerator, denominator) }}
{%- endmacro %}
{% macro duckdb__integer_divide(numerator, denominator) -%}
    (({{ numerator }}) // ({{ denominator }}))
{%- endmacro %}

{#- One member of a JSON object as text. -#}
{% macro json_text(column, key) -%}
    {{ adapter.dispatch('json_text', 'loyalty')(column, key) }}
{%- endmacro %}
{% macro duckdb__json_text(column, key) -%}
    json_extract_string({{ column }}, '$.{{ key }}')
{%- endmacro %}

{#- Number of elements of a JSON array; 0 for null and for anything that is no array. -#}
{% macro json_length(column) -%}
    {{ adapter.dispatch('json_length', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__json_length(column) -%}
    coalesce(json_array_length({{ column }}), 0)
{%- endmacro %}

{#- JSON array of scalars -> list of text; null stays null. -#}
{% macro json_to_list(column) -%}
    {{ adapter.dispatch('json_to_list', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__json_to_list(column) -%}
    from_json({{ column }}, '["VARCHAR"]')
{%- endmacro %}

{#- Object from names and expressions: json_object_of({'entry': 'entry_threshold'}). -#}
{% macro json_object_of(members) -%}
    {{ adapter.dispatch('json_object_of', 'loyalty')(members) }}
{%- endmacro %}
{% macro duckdb__json_object_of(members) -%}
    json_object({% for name, expression in members.items() %}'{{ name }}', {{ expression }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- endmacro %}

{#- Text that already is JSON, as JSON; null where it is not. -#}
{% macro to_json_value(column) -%}
    {{ adapter.dispatch('to_json_value', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__to_json_value(column) -%}
    cast({{ column }} as json)
{%- endmacro %}

{#- Aggregate: list of values in an order. -#}
{% macro ordered_list(expression, order_by) -%}
    {{ adapter.dispatch('ordered_list', 'loyalty')(expression, order_by) }}
{%- endmacro %}
{% macro duckdb__ordered_list(expression, order_by) -%}
    list({{ expression }} order by {{ order_by }})
{%- endmacro %}

{#- List without its nulls, from expressions. -#}
{% macro list_of(expressions) -%}
    {{ adapter.dispatch('list_of', 'loyalty')(expressions) }}
{%- endmacro %}
{% macro duckdb__list_of(expressions) -%}
    list_filter([{{ expressions | join(', ') }}], lambda item: item is not null)
{%- endmacro %}

{% macro empty_list() -%}
    {{ adapter.dispatch('empty_list', 'loyalty')() }}
{%- endmacro %}
{% macro duckdb__empty_list() -%}
    cast([] as varchar[])
{%- endmacro %}

{#- List with every text prefixed (prefix: an expression), in the same order. -#}
{% macro list_prefixed(column, prefix) -%}
    {{ adapter.dispatch('list_prefixed', 'loyalty')(column, prefix) }}
{%- endmacro %}
{% macro duckdb__list_prefixed(column, prefix) -%}
    list_transform({{ column }}, lambda item: concat({{ prefix }}, item))
{%- endmacro %}

{#- Two lists, one after the other. -#}
{% macro list_joined(first, second) -%}
    {{ adapter.dispatch('list_joined', 'loyalty')(first, second) }}
{%- endmacro %}
{% macro duckdb__list_joined(first, second) -%}
    list_concat({{ first }}, {{ second }})
{%- endmacro %}

{#- One row per element of the list; none for an empty one. Only as a column of a select. -#}
{% macro list_exploded(column) -%}
    {{ adapter.dispatch('list_exploded', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__list_exploded(column) -%}
    unnest({{ column }})
{%- endmacro %}

{#- Aggregate: a set of whole numbers from 0 to 120, small enough to keep one per member. -#}
{% macro number_set(expression) -%}
    {{ adapter.dispatch('number_set', 'loyalty')(expression) }}
{%- endmacro %}
{% macro duckdb__number_set(expression) -%}
    bit_or(case when {{ expression }} between 0 and 120 then cast(1 as hugeint) << ({{ expression }}) end)
{%- endmacro %}

{#- Is any number from `low` to `high` (0 to 120) in the set? No number is in a set that is null. -#}
{% macro number_set_has(column, low, high) -%}
    {{ adapter.dispatch('number_set_has', 'loyalty')(column, low, high) }}
{%- endmacro %}
{% macro duckdb__number_set_has(column, low, high) -%}
    coalesce(({{ column }} >> ({{ low }})) & ((cast(1 as hugeint) << (({{ high }}) - ({{ low }}) + 1)) - 1) <> 0, false)
{%- endmacro %}

{#- Aggregate: the smallest value that at least this share of the values does not exceed. -#}
{% macro percentile(expression, share) -%}
    {{ adapter.dispatch('percentile', 'loyalty')(expression, share) }}
{%- endmacro %}
{% macro duckdb__percentile(expression, share) -%}
    quantile_disc({{ expression }}, {{ share }})
{%- endmacro %}

{#- Relation with one row per day (or month) from one date to another, both included: column `on_date`. -#}
{% macro date_series(first, last, part='day') -%}
    {{ adapter.dispatch('date_series', 'loyalty')(first, last, part) }}
{%- endmacro %}
{% macro duckdb__date_series(first, last, part) -%}
    (
        select cast(series.moment as date) as on_date
        from generate_series(
            cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval 1 {{ part }}
        ) as series (moment)
    )
{%- endmacro %}

{#- Aggregate: the value of the row whose keys come first, compared one after the other, ascending. -#}
{% macro first_by(expression, keys) -%}
    {{ adapter.dispatch('first_by', 'loyalty')(expression, keys) }}
{%- endmacro %}
{% macro duckdb__first_by(expression, keys) -%}
    arg_min_null({{ expression }}, row({{ keys | join(', ') }}))
{%- endmacro %}

{#- Does the text contain the regular expression (any case)? -#}
{% macro regexp_found(column, pattern) -%}
    {{ adapter.dispatch('regexp_found', 'loyalty')(column, pattern) }}
{%- endmacro %}
{% macro duckdb__regexp_found(column, pattern) -%}
    regexp_matches({{ column }}, {{ pattern }}, 'i')
{%- endmacro %}

{#- First group of the regular expression (any case); null where there is none. -#}
{% macro regexp_group(column, pattern) -%}
    {{ adapter.dispatch('regexp_group', 'loyalty')(column, pattern) }}
{%- endmacro %}
{% macro duckdb__regexp_group(column, pattern) -%}
    nullif(regexp_extract({{ column }}, {{ pattern }}, 1, 'i'), '')
{%- endmacro %}

{#- Replace every match of a regular expression. -#}
{% macro regexp_replace_all(column, pattern, replacement) -%}
    {{ adapter.dispatch('regexp_replace_all', 'loyalty')(column, pattern, replacement) }}
{%- endmacro %}
{% macro duckdb__regexp_replace_all(column, pattern, replacement) -%}
    regexp_replace({{ column }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{#- A calendar date, or null where there is none such as 29 February 2026. -#}
{% macro date_from_parts(year, month, day) -%}
    {{ adapter.dispatch('date_from_parts', 'loyalty')(year, month, day) }}
{%- endmacro %}
{% macro duckdb__date_from_parts(year, month, day) -%}
    try_cast(printf('%04d-%02d-%02d', {{ year }}, {{ month }}, {{ day }}) as date)
{%- endmacro %}

{#- Every column of a relation but one. -#}
{% macro all_but(relation, column) -%}
    {{ adapter.dispatch('all_but', 'loyalty')(relation, column) }}
{%- endmacro %}
{% macro duckdb__all_but(relation, column) -%}
    {{ relation }}.* exclude ({{ column }})
{%- endmacro %}

{#- Aggregate: JSON array of JSON values in an order; without one only where there is a single value. -#}
{% macro json_list(expression, order_by=none) -%}
    {{ adapter.dispatch('json_list', 'loyalty')(expression, order_by) }}
{%- endmacro %}
{% macro duckdb__json_list(expression, order_by) -%}
    to_json(list({{ expression }}{% if order_by %} order by {{ order_by }}{% endif %}))
{%- endmacro %}

{% macro empty_json_list() -%}
    {{ adapter.dispatch('empty_json_list', 'loyalty')() }}
{%- endmacro %}
{% macro duckdb__empty_json_list() -%}
    cast('[]' as json)
{%- endmacro %}

{#- Does the list hold the value? -#}
{% macro list_holds(list_column, value) -%}
    {{ adapter.dispatch('list_holds', 'loyalty')(list_column, value) }}
{%- endmacro %}
{% macro duckdb__list_holds(list_column, value) -%}
    list_contains({{ list_column }}, {{ value }})
{%- endmacro %}

{#- Number of elements of a list. -#}
{% macro list_length(list_column) -%}
    {{ adapter.dispatch('list_length', 'loyalty')(list_column) }}
{%- endmacro %}
{% macro duckdb__list_length(list_column) -%}
    len({{ list_column }})
{%- endmacro %}

{#- A 64-bit number that equal rows share and different ones hardly ever. Only for narrowing down, never for deciding. -#}
{% macro row_hash(columns) -%}
    {{ adapter.dispatch('row_hash', 'loyalty')(columns) }}
{%- endmacro %}
{% macro duckdb__row_hash(columns) -%}
    hash({{ columns | join(', ') }})
{%- endmacro %}

{#- A timestamp as the vendors write it in JSON, such as 2026-11-21T06:00:00.000Z. -#}
{% macro iso_millisecond_text(column) -%}
    {{ adapter.dispatch('iso_millisecond_text', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__iso_millisecond_text(column) -%}
    strftime({{ column }}, '%Y-%m-%dT%H:%M:%S.%gZ')
{%- endmacro %}

{#- Whole seconds since 1970 of a timestamp. -#}
{% macro epoch_second(column) -%}
    {{ adapter.dispatch('epoch_second', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__epoch_second(column) -%}
    ((epoch_us({{ column }})) // 1000000)
{%- endmacro %}

{#- A text as JSON value: a number where it is a whole one, else a text. -#}
{% macro json_number_or_text(column) -%}
    {{ adapter.dispatch('json_number_or_text', 'loyalty')(column) }}
{%- endmacro %}
{% macro duckdb__json_number_or_text(column) -%}
    coalesce(to_json(try_cast({{ column }} as bigint)), to_json({{ column }}))
{%- endmacro %}

{#- A JSON object without the members that are null, on every level. -#}
{% macro json_without_nulls(object) -%}
    {{ adapter.dispatch('json_without_nulls', 'loyalty')(object) }}
{%- endmacro %}
{% macro duckdb__json_without_nulls(object) -%}
    json_merge_patch('{}', {{ object }})
{%- endmacro %}

{#- Is a member of a JSON object there, and not null? -#}
{% macro json_has(column, key) -%}
    {{ adapter.dispatch('json_has', 'loyalty')(column, key) }}
{%- endmacro %}
{% macro duckdb__json_has(column, key) -%}
    coalesce(json_type({{ column }}, '$.{{ key }}'), 'NULL') <> 'NULL'
{%- endmacro %}
