select
    program,
    member_id,
    {{ list_exploded('segments') }} as segment,
    {{ loyalty_now() }} as seen_at
from {{ ref('int_loyalty__member_segments_listed') }}
