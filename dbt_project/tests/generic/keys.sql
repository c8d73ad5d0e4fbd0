{#-
    Rows whose key occurs more than once, or has a null in it. Numbers first say where to look, because they group
    several times faster than texts.
-#}
{% test unique_key(model, columns) %}
    select
        {{ columns | join(', ') }},
        count(*) as row_count
    from {{ model }}
    where
        {{ row_hash(columns) }} in (
            select {{ row_hash(columns) }}
            from {{ model }}
            group by {{ row_hash(columns) }}
            having count(*) > 1
        )
        {%- for column in columns %}
        or {{ column }} is null
        {%- endfor %}
    group by {{ columns | join(', ') }}
    having
        count(*) > 1
        {%- for column in columns %}
        or {{ column }} is null
        {%- endfor %}
{% endtest %}

{#-
    Rows that point at nothing: `columns` of this model as `to_columns` of another; null points nowhere and is fine, and so
    is what the condition `only` leaves out.
-#}
{% test refers_to(model, to, columns, to_columns=none, only=none) %}
    {%- set to_columns = to_columns or columns %}
    select {% for column in columns %}child.{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}
    from {{ model }} as child
    left join (select distinct {{ to_columns | join(', ') }} from {{ to }}) as parent
        on {% for column in columns %}child.{{ column }} = parent.{{ to_columns[loop.index0] }}{% if not loop.last %} and {% endif %}{% endfor %}
    where
        parent.{{ to_columns[0] }} is null
        {%- for column in columns %}
        and child.{{ column }} is not null
        {%- endfor %}
        {%- if only %}
        and {{ only }}
        {%- endif %}
{% endtest %}

{#- Rows for which the condition is not true (null counts as not true). -#}
{% test holds(model, condition) %}
    select *
    from {{ model }}
    where not coalesce({{ condition }}, false)
{% endtest %}

{#- A model that lists what is wrong: every row of it counts. -#}
{% test assert_no_rows(model) %}
    select * from {{ model }}
{% endtest %}

{#- The same for a list that keeps what is over: only what was seen in the last days counts. -#}
{% test assert_no_rows_since(model, column, days) %}
    select * from {{ model }}
    where {{ column }} > {{ dbt.dateadd('day', -days, loyalty_now()) }}
{% endtest %}
