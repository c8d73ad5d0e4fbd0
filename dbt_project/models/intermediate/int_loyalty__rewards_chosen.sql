{#-
    Best, next and all available rewards of each member, in the order of the rules. They depend on the programme and the
    balance alone, so they are chosen once per balance, from the eligibility of one member who has it.
-#}
{{ config(materialized='table') }}

{%- set best_order = best_reward_order() %}
{%- set next_order = ['eligibility.points_needed', '-rewards.price_points', 'rewards.tie_order'] %}

with members as (
    select
        program,
        member_id,
        greatest(coalesce(points_balance, 0), 0) as spendable_points
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

balances as (
    select
        program,
        spendable_points,
        min(member_id) as member_id
    from members
    group by program, spendable_points
),

eligibility as (
    select
        balances.spendable_points,
        eligibility.*
    from {{ ref('fct_reward_eligibility') }} as eligibility
    inner join balances
        on
            eligibility.program = balances.program
            and eligibility.member_id = balances.member_id
),

rewards as (
    select * from {{ ref('int_loyalty__rewards_ranked') }}
),

best as (
    select
        eligibility.program,
        eligibility.spendable_points,
        count(*) as eligible_reward_count,
        {{ first_by('rewards.tie_order', best_order) }} as best_tie_order,
        {{ first_by('eligibility.affordable_points', best_order) }} as best_reward_points
    from eligibility
    inner join rewards
        on
            eligibility.program = rewards.program
            and eligibility.reward_id = rewards.reward_id
    where eligibility.is_eligible
    group by eligibility.program, eligibility.spendable_points
),

available as (
    select
        eligibility.program,
        eligibility.spendable_points,
        {{ ordered_list('rewards.reward_name', best_order | join(', ')) }} as available_reward_names
    from eligibility
    inner join rewards
        on
            eligibility.program = rewards.program
            and eligibility.reward_id = rewards.reward_id
    where eligibility.is_eligible
    group by eligibility.program, eligibility.spendable_points
),

upcoming as (
    select
        eligibility.program,
        eligibility.spendable_points,
        {{ first_by('rewards.tie_order', next_order) }} as next_tie_order,
        {{ first_by('eligibility.points_needed', next_order) }} as points_to_next_reward,
        {{ first_by('eligibility.progress_ratio', next_order) }} as next_reward_progress
    from eligibility
    inner join rewards
        on
            eligibility.program = rewards.program
            and eligibility.reward_id = rewards.reward_id
    where not eligibility.is_eligible
    group by eligibility.program, eligibility.spendable_points
)

select
    members.program,
    members.member_id,
    best.eligible_reward_count,
    best_rewards.reward_id as best_reward_id,
    best_rewards.reward_name as best_reward_name,
    best.best_reward_points,
    next_rewards.reward_id as next_reward_id,
    next_rewards.reward_name as next_reward_name,
    next_rewards.price_points as next_reward_points,
    upcoming.points_to_next_reward,
    upcoming.next_reward_progress,
    available.available_reward_names
from members
left join best
    on
        members.program = best.program
        and members.spendable_points = best.spendable_points
left join upcoming
    on
        members.program = upcoming.program
        and members.spendable_points = upcoming.spendable_points
left join available
    on
        members.program = available.program
        and members.spendable_points = available.spendable_points
left join rewards as best_rewards
    on
        best.program = best_rewards.program
        and best.best_tie_order = best_rewards.tie_order
left join rewards as next_rewards
    on
        upcoming.program = next_rewards.program
        and upcoming.next_tie_order = next_rewards.tie_order
where best.program is not null or upcoming.program is not null
