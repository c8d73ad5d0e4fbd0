{#-
    Two models that count the same things agree: `total` of this one, per `by`, is `other_total` of the other. What only one
    of them has counts as 0 in the other; with `only_ours` the other's are left out. `newest_by` and `other_newest_by`:
    the rows with the highest value of that column.
-#}
{% test totals_agree(model, total, by, other, other_total, this_where='true', newest_by=none, other_where='true', other_newest_by=none, only_ours=false) %}
    with this_one as (
        select {{ by | join(', ') }}, {{ total }} as total
        from {{ model }}
        where
            {{ this_where }}
            {%- if newest_by %}
            and {{ newest_by }} = (select max({{ newest_by }}) from {{ model }})
            {%- endif %}
        group by {{ by | join(', ') }}
    ),

    other_one as (
        select {{ by | join(', ') }}, {{ other_total }} as total
        from {{ other }}
        where
            {{ other_where }}
            {%- if other_newest_by %}
            and {{ other_newest_by }} = (select max({{ other_newest_by }}) from {{ other }})
            {%- endif %}
        group by {{ by | join(', ') }}
    )

    select
        {%- for key in by %}
        coalesce(this_one.{{ key }}, other_one.{{ key }}) as {{ key }},
        {%- endfor %}
        this_one.total,
        other_one.total as other_total
    from this_one
    {{ 'left' if only_ours else 'full outer' }} join other_one
        on {% for key in by %}this_one.{{ key }} = other_one.{{ key }}{% if not loop.last %} and {% endif %}{% endfor %}
    where coalesce(this_one.total, 0) <> coalesce(other_one.total, 0)
{% endtest %}

{#- A running size is that of the row before, plus what came, less what went. The first row of each has none before it. -#}
{% test runs_on(model, size, came, went, by, order_by) %}
    select *
    from (
        select
            *,
            lag({{ size }}) over (partition by {{ by | join(', ') }} order by {{ order_by }}) as size_before
        from {{ model }}
    ) as followed
    where {{ size }} <> size_before + {{ came }} - {{ went }}
{% endtest %}
