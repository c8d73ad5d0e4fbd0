{#- The ways to earn as JSON, per programme and tier (null = no tier): a way may be open to some tiers only. -#}
{{ config(materialized='table') }}

with tiers as (
    select distinct
        program,
        tier_id
    from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

rules as (
    select * from {{ ref('dim_earning_rules') }}
    where is_active
)

select
    tiers.program,
    tiers.tier_id,
    {{ json_list(
        json_object_of({
            'earning_rule_id': 'rules.earning_rule_id',
            'name': 'rules.earning_rule_name',
            'description': 'rules.description',
            'reward_text': 'rules.reward_text',
            'action_text': 'rules.action_text',
            'action_url': 'rules.action_url',
        }),
        id_order('rules.earning_rule_id') ~ ', rules.earning_rule_id'
    ) }} as ways_to_earn
from tiers
inner join rules
    on
        tiers.program = rules.program
        and (
            {{ list_length('rules.restricted_to_tier_ids') }} = 0
            or {{ list_holds('rules.restricted_to_tier_ids', 'tiers.tier_id') }}
        )
group by tiers.program, tiers.tier_id
