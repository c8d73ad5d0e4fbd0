with members as (
    select * from {{ ref('int_loyalty__points_expiry_told') }}
),

lots as (
    select * from {{ ref('fct_points_lots') }}
),

told as (
    select
        program,
        member_id,
        told_expires_on as expires_on,
        told_points as expiring_points,
        'vendor' as policy
    from members
    where told_expires_on is not null
),

inactive as (
    select
        program,
        member_id,
        inactive_on as expires_on,
        points_balance as expiring_points,
        'inactivity' as policy
    from members
    where policy = 'inactivity' and told_expires_on is null and inactive_on is not null
),

-- of a lot that the vendor's next expiry takes in part, only the rest follows by its own age
aged as (
    select
        lots.program,
        lots.member_id,
        case
            when lots.expires_on > coalesce(members.told_expires_on, cast('0001-01-01' as date)) then lots.expires_on
            else cast({{ dbt.dateadd('day', 1, 'members.told_expires_on') }} as date)
        end as expires_on,
        least(
            lots.remaining_points,
            lots.older_points + lots.remaining_points - coalesce(members.told_points, 0)
        ) as expiring_points
    from lots
    inner join members
        on
            lots.program = members.program
            and lots.member_id = members.member_id
    where members.policy = 'date_earned'
),

final as (
    select
        program,
        member_id,
        expires_on,
        expiring_points,
        policy
    from told
    union all
    select
        program,
        member_id,
        expires_on,
        expiring_points,
        policy
    from inactive
    union all
    select
        program,
        member_id,
        expires_on,
        sum(expiring_points) as expiring_points,
        'date_earned' as policy
    from aged
    where expiring_points > 0 and expires_on is not null
    group by program, member_id, expires_on
)

select
    program,
    member_id,
    expires_on,
    cast(expiring_points as bigint) as expiring_points,
    policy,
    cast({{ dbt.datediff('cast(' ~ loyalty_now() ~ ' as date)', 'expires_on', 'day') }} as integer) as days_to_expiry,
    expires_on < cast({{ loyalty_now() }} as date) as is_overdue
from final
where expiring_points > 0
