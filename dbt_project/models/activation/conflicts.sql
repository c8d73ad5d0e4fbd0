{{ config(schema='sync') }}

with spoken as (
    select * from {{ ref('int_loyalty__emails_spoken') }}
),

speakers as (
    select * from spoken
    where is_speaker
)

select
    others.program,
    others.email,
    others.member_id,
    speakers.member_id as speaker_member_id,
    case
        when speakers.membership = 'member' and others.membership <> 'member' then 'speaker_is_member'
        when (speakers.points_balance is distinct from others.points_balance) then 'speaker_has_higher_balance'
        when (speakers.updated_at is distinct from others.updated_at) then 'speaker_is_newer'
        else 'speaker_has_lower_id'
    end as reason
from spoken as others
inner join speakers
    on
        others.program = speakers.program
        and others.email = speakers.email
where not others.is_speaker
