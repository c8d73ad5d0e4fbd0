{#- Snapshots date what vanished by the clock of the build, like everything else, and not by that of the machine. -#}
{% macro snapshot_get_time() -%}
    {{ loyalty_now() }}
{%- endmacro %}
