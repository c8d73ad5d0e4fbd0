with members as (
    select
        program,
        member_id,
        points_balance
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

chosen as (
    select * from {{ ref('int_loyalty__rewards_chosen') }}
),

labels as (
    select * from {{ ref('int_loyalty__labels_chosen') }}
),

joined as (
    select
        members.program,
        members.member_id,
        members.points_balance,
        coalesce(chosen.eligible_reward_count, 0) as eligible_reward_count,
        chosen.best_reward_id,
        chosen.best_reward_name,
        chosen.best_reward_points,
        chosen.next_reward_id,
        chosen.next_reward_name,
        chosen.next_reward_points,
        chosen.points_to_next_reward,
        chosen.next_reward_progress,
        chosen.available_reward_names,
        coalesce(chosen.best_reward_id, chosen.next_reward_id) as headline_reward_id,
        case
            when chosen.best_reward_id is not null then 0
            when chosen.next_reward_id is not null then chosen.points_to_next_reward
        end as headline_points_needed,
        -- the points that the text names: what the best reward costs, or what the next one still takes
        case
            when chosen.best_reward_id is not null then chosen.best_reward_points
            else chosen.points_to_next_reward
        end as text_points,
        case
            when chosen.best_reward_id is not null then labels.best_template
            when chosen.next_reward_id is not null then labels.next_template
        end as text_template,
        coalesce(chosen.best_reward_name, chosen.next_reward_name) as text_reward_name,
        labels.point_label_one,
        labels.point_label_other
    from members
    left join chosen
        on
            members.program = chosen.program
            and members.member_id = chosen.member_id
    left join labels on members.program = labels.program
)

select
    program,
    member_id,
    points_balance,
    eligible_reward_count,
    best_reward_id,
    best_reward_name,
    best_reward_points,
    next_reward_id,
    next_reward_name,
    next_reward_points,
    points_to_next_reward,
    next_reward_progress,
    headline_reward_id,
    cast(headline_points_needed as bigint) as headline_points_needed,
    replace(
        replace(
            replace(text_template, '{points}', cast(text_points as {{ dbt.type_string() }})),
            '{points_label}',
            case when text_points = 1 then point_label_one else point_label_other end
        ),
        '{reward}',
        coalesce(text_reward_name, '')
    ) as headline_text,
    coalesce(available_reward_names, {{ empty_list() }}) as available_reward_names
from joined
