with programs as (
    select distinct program from {{ ref('dim_members') }}
),

declared as (
    {%- for segment in segments() %}
    select
        {{ text_literal(segment['name']) }} as segment,
        {{ text_literal(segment['title']) }} as title,
        {{ text_literal(segment['description']) }} as description,
        {{ text_literal(segment['condition']) }} as condition_sql,
        {{ text_literal(segment['owner']) }} as owner
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    programs.program,
    declared.segment,
    declared.title,
    declared.description,
    declared.condition_sql,
    declared.owner
from programs
cross join declared
