{#- Each row opens with what the row before it closed; the first one with 0. -#}
{% test opens_where_the_last_one_closed(model, order_by) %}
    select *
    from (
        select
            program,
            {{ order_by }},
            opening_points,
            coalesce(lag(closing_points) over (partition by program order by {{ order_by }}), 0) as carried_points
        from {{ model }}
    ) as carried
    where opening_points is distinct from carried_points
{% endtest %}

{#- The newest row of each programme closes with the sum of all its ledger rows. -#}
{% test closes_with_the_whole_ledger(model, order_by) %}
    with closed as (
        select
            program,
            {{ first_by('closing_points', ['-row_place']) }} as closing_points
        from (
            select
                program,
                closing_points,
                row_number() over (partition by program order by {{ order_by }}) as row_place
            from {{ model }}
        ) as placed
        group by program
    ),

    ledger as (
        select
            program,
            sum(points_change) as ledger_points
        from {{ ref('fct_points_transactions') }}
        where deleted_at is null
        group by program
    )

    select
        ledger.program,
        ledger.ledger_points,
        closed.closing_points
    from ledger
    full join closed on ledger.program = closed.program
    where ledger.ledger_points is distinct from closed.closing_points
{% endtest %}

{#- There is a row for every day from the first to the last of each programme. -#}
{% test has_every_day(model, column) %}
    select
        program,
        count(*) as day_count
    from {{ model }}
    group by program
    having count(distinct {{ column }}) <> {{ dbt.datediff('min(' ~ column ~ ')', 'max(' ~ column ~ ')', 'day') }} + 1
{% endtest %}

{#- What is left of a member's lots is the ledger balance, or nothing where that is below 0. -#}
{% test adds_up_to_the_ledger(model) %}
    with lots as (
        select
            program,
            member_id,
            sum(remaining_points) as lot_points
        from {{ model }}
        group by program, member_id
    ),

    ledger as (
        select * from {{ ref('int_loyalty__points_members_summed') }}
    ),

    holders as (
        select * from {{ ref('int_loyalty__points_expiry_told') }}
        where is_history_known
    )

    select
        holders.program,
        holders.member_id,
        ledger.ledger_points,
        lots.lot_points
    from holders
    left join ledger
        on
            holders.program = ledger.program
            and holders.member_id = ledger.member_id
    left join lots
        on
            holders.program = lots.program
            and holders.member_id = lots.member_id
    where coalesce(lots.lot_points, 0) <> greatest(coalesce(ledger.ledger_points, 0), 0)
{% endtest %}

{#-
    What the cohorts of a programme still hold, with what members who are gone left behind, is the sum of all ledger
    balances above 0.
-#}
{% test cohorts_hold_what_members_hold(model) %}
    with cohorts as (
        select
            program,
            sum(outstanding_points + forfeited_points) as cohort_points
        from {{ model }}
        group by program
    ),

    members as (
        select
            program,
            sum(greatest(ledger_points, 0)) as member_points
        from {{ ref('int_loyalty__points_members_summed') }}
        group by program
    )

    select
        members.program,
        members.member_points,
        cohorts.cohort_points
    from members
    left join cohorts on members.program = cohorts.program
    where members.member_points <> coalesce(cohorts.cohort_points, 0)
{% endtest %}

{#-
    Patterns that can decide nothing, because another one takes every text of theirs before them, or one that reads the
    same says something else. A pattern is within another if its own text matches it: its % is then under the other's.
-#}
{% test no_pattern_is_shadowed(model, partition_by, says) %}
    select
        shadowed.{{ partition_by }},
        shadowed.pattern,
        first.pattern as decided_by
    from {{ model }} as shadowed
    inner join {{ model }} as first
        on
            shadowed.{{ partition_by }} = first.{{ partition_by }}
            and lower(shadowed.pattern) like lower(first.pattern)
            and (
                first.priority < shadowed.priority
                or (first.priority = shadowed.priority and length(first.pattern) > length(shadowed.pattern))
                or (
                    first.priority = shadowed.priority
                    and length(first.pattern) = length(shadowed.pattern)
                    and first.pattern < shadowed.pattern
                )
                or (
                    lower(first.pattern) = lower(shadowed.pattern)
                    and (
                        first.priority <> shadowed.priority
                        {%- for column in says %}
                        or first.{{ column }} is distinct from shadowed.{{ column }}
                        {%- endfor %}
                    )
                )
            )
{% endtest %}

{#- Combinations of the listed values that have no row. -#}
{% test has_every_combination(model, lists) %}
    select *
    from (
        {%- for column, values in lists.items() %}
        {% if not loop.first %}cross join {% endif %}(
            {%- for value in values %}
            select '{{ value }}' as {{ column }}{% if not loop.last %} union all{% endif %}
            {%- endfor %}
        ) as {{ column }}_list
        {%- endfor %}
    ) as wanted
    where not exists (
        select 1
        from {{ model }} as present
        where
            {%- for column in lists %}
            present.{{ column }} = wanted.{{ column }}{% if not loop.last %} and{% endif %}
            {%- endfor %}
    )
{% endtest %}
