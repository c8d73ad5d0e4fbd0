{#- A tier is held by members only; a tier name that the catalogue does not know (yet) says nothing and is passed over. -#}
with states as (
    select
        program,
        member_id,
        valid_from_at,
        case when membership = 'member' and not is_deleted then tier_id end as held_tier_id,
        tier_entered_at
    from {{ ref('fct_member_states') }}
    where not (is_tier_unknown and membership = 'member' and not is_deleted)
),

tier_pairs as (
    select * from {{ ref('int_loyalty__tier_pairs_ordered') }}
),

-- whoever never had a tier has no change, and most have had one state only
compared as (
    select
        *,
        lag(held_tier_id) over (partition by program, member_id order by valid_from_at) as previous_tier_id,
        lag(valid_from_at) over (partition by program, member_id order by valid_from_at) as previous_from_at
    from states
),

moves as (
    select
        program,
        member_id,
        -- the vendor's own date, unless it lies outside the time in which the change must have happened
        case
            when
                held_tier_id is not null
                and tier_entered_at <= valid_from_at
                and (previous_from_at is null or tier_entered_at > previous_from_at)
                then tier_entered_at
            else valid_from_at
        end as changed_at,
        valid_from_at as observed_at,
        previous_tier_id as from_tier_id,
        held_tier_id as to_tier_id
    from compared
    where held_tier_id is distinct from previous_tier_id
)

select
    moves.program,
    moves.member_id,
    moves.changed_at,
    moves.from_tier_id,
    moves.to_tier_id,
    case
        when moves.from_tier_id is null then 'enter'
        when moves.to_tier_id is null then 'leave'
        else tier_pairs.direction
    end as direction,
    moves.observed_at
from moves
left join tier_pairs
    on
        moves.program = tier_pairs.program
        and moves.from_tier_id = tier_pairs.from_tier_id
        and moves.to_tier_id = tier_pairs.to_tier_id
        and moves.observed_at >= tier_pairs.known_from_at
        and moves.observed_at < tier_pairs.known_to_at
