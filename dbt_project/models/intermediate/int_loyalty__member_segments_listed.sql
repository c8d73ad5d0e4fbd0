{#- Every condition of macros/segments.sql in one scan of the members; the list is sorted by name. -#}
{{ config(materialized='table') }}

{%- set named = [] -%}
{%- for segment in segments() -%}
    {%- do named.append("case when " ~ segment['condition'] ~ " then '" ~ segment['name'] ~ "' end") -%}
{%- endfor %}

select
    program,
    member_id,
    {{ list_of(named) }} as segments
from {{ ref('int_loyalty__member_facts_joined') }}
