{#- How uncertain a share is. -#}

{#-
    Wilson's 95 % bound of the share of `reached` in `whole`: side '-' the lower one, '+' the upper one; null of nothing.
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212.
-#}
{% macro wilson_bound(reached, whole, side) -%}
    {%- set z = 'cast(1.959963984540054 as double)' -%}
    {%- set n = 'cast(nullif(' ~ whole ~ ', 0) as double)' -%}
    (
        (2 * {{ reached }} + {{ z }} * {{ z }})
        {{ side }} {{ z }} * sqrt({{ z }} * {{ z }} + 4 * {{ reached }} * ({{ n }} - {{ reached }}) / {{ n }})
    ) / (2 * ({{ n }} + {{ z }} * {{ z }}))
{%- endmacro %}
