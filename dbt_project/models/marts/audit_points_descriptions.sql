select
    program,
    coalesce(description, '') as description,
    transaction_kind,
    count(*) as transaction_count,
    cast(sum(points_change) as bigint) as net_points
from {{ ref('fct_points_transactions') }}
where not is_kind_known
group by program, coalesce(description, ''), transaction_kind
