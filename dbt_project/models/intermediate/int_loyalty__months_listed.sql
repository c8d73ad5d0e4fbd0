{#- The calendar of the monthly KPIs: from the first month in which anybody joined, but no longer ago than kpi_months. -#}
{{ config(materialized='table') }}

{%- set this_month = dbt.date_trunc('month', loyalty_now()) -%}

with first_months as (
    select {{ dbt.date_trunc('month', 'min(joined_at)') }} as first_month_at
    from {{ ref('dim_members') }}
    where joined_at <= {{ loyalty_now() }}
)

select series.on_date as month_on
from {{ date_series(
    '(select greatest(first_month_at, ' ~ dbt.dateadd('month', '-' ~ var('kpi_months'), this_month) ~ ') from first_months)',
    this_month, 'month'
) }} as series
