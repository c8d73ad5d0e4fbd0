with members as (
    select
        program,
        member_id,
        greatest(coalesce(points_balance, 0), 0) as spendable_points
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

rewards as (
    select * from {{ ref('int_loyalty__rewards_ranked') }}
),

afforded as (
    select
        members.program,
        members.member_id,
        rewards.reward_id,
        members.spendable_points,
        rewards.price_points,
        rewards.step_points,
        rewards.variable_step_value,
        rewards.money_value,
        rewards.exchange_type,
        members.spendable_points >= rewards.price_points as is_eligible,
        case
            when members.spendable_points < rewards.price_points then 0
            when rewards.exchange_type = 'fixed' then rewards.price_points
            else {{ integer_divide(
                'least(members.spendable_points, coalesce(rewards.variable_max_points, members.spendable_points))',
                'rewards.step_points'
            ) }} * rewards.step_points
        end as affordable_points
    from members
    inner join rewards on members.program = rewards.program
)

select
    program,
    member_id,
    reward_id,
    is_eligible,
    cast(greatest(price_points - spendable_points, 0) as bigint) as points_needed,
    case
        when is_eligible then cast(1 as decimal(5, 4))
        else {{ ratio_rounded_down('spendable_points', 'price_points') }}
    end as progress_ratio,
    cast(affordable_points as bigint) as affordable_points,
    cast(
        case
            when not is_eligible then 0
            when exchange_type = 'fixed' then money_value
            else cast({{ integer_divide('affordable_points', 'step_points') }} as decimal(18, 0)) * variable_step_value
        end as decimal(18, 8)
    ) as affordable_value,
    {{ currency_of('program') }} as currency
from afforded
