{#- Best, next and all available rewards of each member, in the order of the rules; one pass over the eligibility. -#}
{{ config(materialized='table') }}

{%- set best_order = best_reward_order() %}
{%- set next_order = ['eligibility.points_needed', '-rewards.price_points', 'rewards.tie_order'] %}

with eligibility as (
    select * from {{ ref('fct_reward_eligibility') }}
),

rewards as (
    select * from {{ ref('int_loyalty__rewards_ranked') }}
),

best as (
    select
        eligibility.program,
        eligibility.member_id,
        count(*) as eligible_reward_count,
        {{ first_by('rewards.tie_order', best_order) }} as best_tie_order,
        {{ first_by('eligibility.affordable_points', best_order) }} as best_reward_points
    from eligibility
    inner join rewards
        on
            eligibility.program = rewards.program
            and eligibility.reward_id = rewards.reward_id
    where eligibility.is_eligible
    group by eligibility.program, eligibility.member_id
),

available as (
    select
        eligibility.program,
        eligibility.member_id,
        {{ ordered_list('rewards.reward_name', best_order | join(', ')) }} as available_reward_names
    from eligibility
    inner join rewards
        on
            eligibility.program = rewards.program
            and eligibility.reward_id = rewards.reward_id
    where eligibility.is_eligible
    group by eligibility.program, eligibility.member_id
),

upcoming as (
    select
        eligibility.program,
        eligibility.member_id,
        {{ first_by('rewards.tie_order', next_order) }} as next_tie_order,
        {{ first_by('eligibility.points_needed', next_order) }} as points_to_next_reward,
        {{ first_by('eligibility.progress_ratio', next_order) }} as next_reward_progress
    from eligibility
    inner join rewards
        on
            eligibility.program = rewards.program
            and eligibility.reward_id = rewards.reward_id
    where not eligibility.is_eligible
    group by eligibility.program, eligibility.member_id
)

select
    coalesce(best.program, upcoming.program) as program,
    coalesce(best.member_id, upcoming.member_id) as member_id,
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
from best
full outer join upcoming
    on
        best.program = upcoming.program
        and best.member_id = upcoming.member_id
left join available
    on
        best.program = available.program
        and best.member_id = available.member_id
left join rewards as best_rewards
    on
        best.program = best_rewards.program
        and best.best_tie_order = best_rewards.tie_order
left join rewards as next_rewards
    on
        upcoming.program = next_rewards.program
        and upcoming.next_tie_order = next_rewards.tie_order
