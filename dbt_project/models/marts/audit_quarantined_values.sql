with quarantined as (
    select * from {{ ref('stg_smile__quarantine') }}
    union all
    select * from {{ ref('stg_yotpo__quarantine') }}
)

select
    program,
    resource,
    coalesce(column_name, '') as column_name,
    coalesce(reason, '') as reason,
    count(*) as value_count,
    count(distinct record_id) as record_count,
    min(seen_at) as first_seen_at,
    max(seen_at) as last_seen_at
from quarantined
group by program, resource, coalesce(column_name, ''), coalesce(reason, '')
