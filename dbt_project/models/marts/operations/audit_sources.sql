with extracts as (
    select * from {{ ref('stg_smile__extracts') }}
    union all
    select * from {{ ref('stg_yotpo__extracts') }}
)

select
    program,
    max(started_at) as read_at,
    max(case when mode = 'full' then started_at end) as listed_in_full_at
from extracts
where resource = 'customers'
group by program
