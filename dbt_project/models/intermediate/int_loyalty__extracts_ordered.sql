with extracts as (
    select * from {{ ref('stg_smile__extracts') }}
    union all
    select * from {{ ref('stg_yotpo__extracts') }}
)

select
    program,
    resource,
    extract_id,
    started_at,
    coalesce(
        lag(extract_id) over (partition by program, resource order by extract_id), -1
    ) as previous_extract_id,
    row_number() over (partition by program, resource order by extract_id desc) = 1 as is_newest
from extracts
where mode = 'full'
