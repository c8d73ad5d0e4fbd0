with newest as (
    select * from {{ ref('int_loyalty__extracts_ordered') }}
    where resource in ('earning_rules', 'campaigns') and is_newest
),

labels as (
    select * from {{ ref('int_loyalty__labels_chosen') }}
),

smile_values as (
    select
        *,
        {{ json_text('reward_value', 'type') }} as value_type,
        {{ try_cast(json_text('reward_value', 'fixed.value'), 'decimal(18, 2)') }} as fixed_value,
        {{ try_cast(json_text('reward_value', 'variable.value'), 'decimal(18, 2)') }} as variable_value,
        {{ try_cast(json_text('reward_value', 'variable.per_amount'), 'decimal(18, 2)') }} as per_amount
    from {{ ref('stg_smile__earning_rules') }}
),

smile as (
    select
        rules.program,
        rules.earning_rule_id,
        rules.name as earning_rule_name,
        cast(null as {{ dbt.type_string() }}) as description,
        case rules.value_type
            when 'fixed'
                then {{ plain_number('rules.fixed_value') }} || ' '
                    || case when rules.fixed_value = 1 then labels.point_label_one else labels.point_label_other end
            when 'variable'
                then {{ plain_number('rules.variable_value') }} || ' '
                    || case when rules.variable_value = 1 then labels.point_label_one else labels.point_label_other end
                    || ' / ' || {{ plain_number('rules.per_amount') }} || ' ' || {{ currency_of('rules.program') }}
        end as reward_text,
        {{ json_to_list('rules.restricted_to_vip_tier_ids') }} as restricted_to_tier_ids,
        rules.image_url as icon_url,
        rules.action_text,
        rules.action_url,
        rules.extract_id >= coalesce(newest.extract_id, rules.extract_id) as is_active
    from smile_values as rules
    left join newest
        on
            rules.program = newest.program
            and newest.resource = 'earning_rules'
    left join labels on rules.program = labels.program
),

yotpo as (
    select
        campaigns.program,
        campaigns.campaign_id as earning_rule_id,
        campaigns.title as earning_rule_name,
        campaigns.details as description,
        campaigns.reward_text,
        {{ empty_list() }} as restricted_to_tier_ids,
        case when campaigns.icon like '%://%' then campaigns.icon end as icon_url,
        campaigns.cta_text as action_text,
        campaigns.url as action_url,
        campaigns.extract_id >= coalesce(newest.extract_id, campaigns.extract_id)
        and coalesce(campaigns.ends_at > {{ loyalty_now() }}, true)
        and coalesce(campaigns.expires_at > {{ loyalty_now() }}, true) as is_active
    from {{ ref('stg_yotpo__campaigns') }} as campaigns
    left join newest
        on
            campaigns.program = newest.program
            and newest.resource = 'campaigns'
),

final as (
    select * from smile
    union all
    select * from yotpo
)

select
    program,
    earning_rule_id,
    earning_rule_name,
    description,
    reward_text,
    coalesce(restricted_to_tier_ids, {{ empty_list() }}) as restricted_to_tier_ids,
    icon_url,
    action_text,
    action_url,
    is_active
from final
