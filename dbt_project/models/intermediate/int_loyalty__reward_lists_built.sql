{#-
    The list of available rewards as JSON. What can be had depends on the programme and the balance alone, so it is built
    once per balance, from the eligibility of one member who has it, and not once per member.
-#}
{{ config(materialized='table') }}

with members as (
    select
        program,
        greatest(coalesce(points_balance, 0), 0) as spendable_points,
        min(member_id) as member_id
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
    group by program, greatest(coalesce(points_balance, 0), 0)
),

eligibility as (
    select * from {{ ref('fct_reward_eligibility') }}
    where is_eligible
),

rewards as (
    select * from {{ ref('int_loyalty__rewards_ranked') }}
)

select
    members.program,
    members.spendable_points,
    {{ json_list(
        json_object_of({
            'reward_id': 'rewards.reward_id',
            'name': 'rewards.reward_name',
            'exchange_type': 'rewards.exchange_type',
            'points': 'eligibility.affordable_points',
            'value': 'eligibility.affordable_value',
        }),
        best_reward_order() | join(', ')
    ) }} as available_rewards
from members
inner join eligibility
    on
        members.program = eligibility.program
        and members.member_id = eligibility.member_id
inner join rewards
    on
        eligibility.program = rewards.program
        and eligibility.reward_id = rewards.reward_id
group by members.program, members.spendable_points
