{#- The counters that Yotpo keeps for each referrer, never by date: summed per programme, so that a snapshot can date them. -#}
{%- set counters = {
    'shared_total_count': 'shares',
    'clicked_total_count': 'unique_clicks',
    'ordered_total_count': 'orders',
} -%}

select
    program,
    {%- for name, key in counters.items() %}
    cast(sum({{ try_cast(json_text('referral_code', key), 'bigint') }}) as bigint) as {{ name }},
    {%- endfor %}
    {{ loyalty_now() }} as seen_at
from {{ ref('int_yotpo__customers_merged') }}
where referral_code is not null
group by program
