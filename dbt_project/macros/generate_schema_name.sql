{#- Schema names stay as written: analysts rely on `marts.dim_members`, not on `main_marts.dim_members`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
