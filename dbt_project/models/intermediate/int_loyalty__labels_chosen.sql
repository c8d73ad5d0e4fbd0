{#- Per programme: what it calls its points, and the headline templates in the language of the build. -#}
with programs as (
    select program from {{ ref('int_loyalty__members_unioned') }}
    union
    select program from {{ ref('stg_smile__points_settings') }}
    union
    select program from {{ ref('stg_smile__earning_rules') }}
),

templates as (
    select
        *,
        row_number() over (
            order by
                case language when '{{ var("language") }}' then 0 when 'en' then 1 else 2 end,
                language
        ) as preference
    from {{ ref('headline_templates') }}
),

newest as (
    select * from {{ ref('int_loyalty__extracts_ordered') }}
    where resource = 'points_settings' and is_newest
),

-- settings that the newest extraction no longer found belong to a points programme that was switched off
settings as (
    select
        all_settings.program,
        nullif(trim(all_settings.points_label_one), '') as points_label_one,
        nullif(trim(all_settings.points_label_other), '') as points_label_other
    from {{ ref('stg_smile__points_settings') }} as all_settings
    left join newest on all_settings.program = newest.program
    where all_settings.extract_id >= coalesce(newest.extract_id, all_settings.extract_id)
)

select
    programs.program,
    coalesce(settings.points_label_one, templates.point_label_one) as point_label_one,
    coalesce(settings.points_label_other, templates.point_label_other) as point_label_other,
    templates.best_template,
    templates.next_template
from programs
inner join templates on templates.preference = 1
left join settings on programs.program = settings.program
