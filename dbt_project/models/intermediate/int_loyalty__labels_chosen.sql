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

settings as (
    select * from {{ ref('stg_smile__points_settings') }}
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
