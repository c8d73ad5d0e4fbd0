{#- Periods of the same key that overlap, or more than one of them without an end. -#}
{% test periods_do_not_overlap(model, columns) %}
    select *
    from (
        select
            {{ columns | join(', ') }},
            valid_from_at,
            valid_to_at,
            lead(valid_from_at) over (partition by {{ columns | join(', ') }} order by valid_from_at) as next_from_at
        from {{ model }}
    ) as periods
    where next_from_at < coalesce(valid_to_at, cast('9999-12-31 00:00:00' as timestamp))
{% endtest %}

{#-
    Members whose latest change of tier did not lead to the tier that they have now. A tier name that no tier has tells
    nothing.
-#}
{% test tiers_follow_from_changes(model) %}
    select
        members.program,
        members.member_id,
        members.tier_id,
        changes.to_tier_id
    from {{ ref('dim_members') }} as members
    left join (
        select
            program,
            member_id,
            max(changed_at) as changed_at
        from {{ model }}
        group by program, member_id
    ) as latest
        on
            members.program = latest.program
            and members.member_id = latest.member_id
    left join {{ model }} as changes
        on
            latest.program = changes.program
            and latest.member_id = changes.member_id
            and latest.changed_at = changes.changed_at
    where
        case when members.membership = 'member' and not members.is_deleted then members.tier_id end
        is distinct from changes.to_tier_id
        and not (members.tier_id is null and members.tier_name is not null)
{% endtest %}

{#- Rows of a time that the clock of the build has not reached, or of none. -#}
{% test is_not_to_come(model, column) %}
    select *
    from {{ model }}
    where not coalesce({{ column }} <= {{ loyalty_now() }}, false)
{% endtest %}
