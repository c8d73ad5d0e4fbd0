{#-
    The days on which the calendar alone makes an event: a birthday, an end that comes near, some days of inactivity. An
    event of a day exists from its first moment (UTC) on. Only days since the programme's first reading, since the member
    joined, and of the last calendar_event_days: what was told is kept by the snapshot calendar_events, whatever happens
    to the member later. Longer than most models: one short block per event, over the same days and members.
-#}
{%- set today = 'cast(' ~ loyalty_now() ~ ' as date)' -%}
{%- set this_year = 'cast(extract(year from ' ~ loyalty_now() ~ ') as integer)' -%}

with programs as (
    select
        program,
        cast(min(dbt_valid_from) as date) as first_on
    from {{ ref('member_states') }}
    group by program
),

members as (
    select * from {{ ref('dim_members') }}
    where membership = 'member' and not is_deleted
),

-- since when balance and tier have been what they are now
states as (
    select
        program,
        member_id,
        cast(valid_from_at as date) as unchanged_since_on
    from {{ ref('fct_member_states') }}
    where valid_to_at is null
),

profiles as (
    select * from {{ ref('int_yotpo__profile_properties_read') }}
),

rewards as (
    select * from {{ ref('fct_member_rewards') }}
),

options as (
    select * from {{ ref('stg_yotpo__redemption_options') }}
),

coupons as (
    select * from {{ ref('fct_coupons') }}
    where status = 'usable'
),

fulfillments as (
    select * from {{ ref('stg_smile__reward_fulfillments') }}
),

yearly as (
    {%- for years_ago in [0, 1] %}
    select
        program,
        member_id,
        joined_at,
        'customer_birthday' as event_type,
        {{ birthday_in(this_year ~ ' - ' ~ years_ago, 'birth_month', 'birth_day') }} as on_date
    from members
    where vendor = 'yotpo'
    union all
    select
        program,
        member_id,
        joined_at,
        'customer_anniversary' as event_type,
        {{ birthday_in(this_year ~ ' - ' ~ years_ago, 'anniversary_month', 'anniversary_day') }} as on_date
    from members
    where
        vendor = 'yotpo'
        -- the day itself is no anniversary
        and coalesce({{ this_year }} - {{ years_ago }} > anniversary_year, true)
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

yearly_events as (
    select
        members.program,
        'yotpo' as vendor,
        members.event_type,
        members.member_id,
        cast(extract(year from members.on_date) as {{ dbt.type_string() }}) as thing,
        members.on_date,
        cast(null as integer) as days_left,
        cast(null as {{ dbt.type_string() }}) as object_id
    from yearly as members
    inner join programs on members.program = programs.program
    where {{ is_calendar_day('members.on_date') }}
),

expiring as (
    {%- for days in var('points_expiring_days') %}
    select
        members.program,
        members.vendor,
        case members.vendor when 'smile' then 'points_expiring' else 'loyalty_expiration_reminder' end as event_type,
        members.member_id,
        cast({{ dbt.dateadd('day', '-' ~ days, 'members.points_expire_at') }} as date) as on_date,
        {{ days }} as days_left
    from members
    inner join programs on members.program = programs.program
    where
        members.points_expiring > 0
        and members.points_expire_at > {{ loyalty_now() }}
        and {{ is_calendar_day('cast(' ~ dbt.dateadd('day', '-' ~ days, 'members.points_expire_at') ~ ' as date)') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        program,
        vendor,
        'points_expiring' as event_type,
        member_id,
        {{ today }} as on_date,
        0 as days_left
    from members
    where false
    {%- endfor %}
),

expiring_events as (
    select
        program,
        vendor,
        event_type,
        member_id,
        cast(on_date as {{ dbt.type_string() }}) as thing,
        on_date,
        days_left,
        cast(null as {{ dbt.type_string() }}) as object_id
    from expiring
),

reward_events as (
    {%- for days in var('reward_expiring_days') %}
    select
        coupons.program,
        'smile' as vendor,
        'reward_expiring' as event_type,
        coupons.member_id,
        coupons.coupon_id || '|{{ days }}' as thing,
        cast({{ dbt.dateadd('day', '-' ~ days, 'coupons.expires_at') }} as date) as on_date,
        {{ days }} as days_left,
        coupons.coupon_id as object_id
    from coupons
    inner join members
        on
            coupons.program = members.program
            and coupons.member_id = members.member_id
    inner join programs on coupons.program = programs.program
    where
        members.vendor = 'smile'
        and {{ is_calendar_day('cast(' ~ dbt.dateadd('day', '-' ~ days, 'coupons.expires_at') ~ ' as date)') }}
        -- a coupon that lives for less than that is not announced
        and cast({{ dbt.dateadd('day', '-' ~ days, 'coupons.expires_at') }} as date) >= cast(coupons.issued_at as date)
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        program,
        'smile' as vendor,
        'reward_expiring' as event_type,
        member_id,
        '' as thing,
        {{ today }} as on_date,
        0 as days_left,
        coupon_id as object_id
    from coupons
    where false
    {%- endfor %}
),

reminders as (
    {%- for days in var('reminder_inactivity_days') %}
    select
        members.program,
        members.member_id,
        cast({{ dbt.dateadd('day', days, 'coalesce(members.last_activity_at, members.joined_at)') }} as date) as on_date,
        {{ days }} as days_left
    from members
    inner join programs on members.program = programs.program
    where
        members.vendor = 'yotpo'
        and {{ is_calendar_day('cast(' ~ dbt.dateadd('day', days, 'coalesce(members.last_activity_at, members.joined_at)') ~ ' as date)') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        program,
        member_id,
        {{ today }} as on_date,
        0 as days_left
    from members
    where false
    {%- endfor %}
),

-- a day that is over is told by the balance of today only where that has not changed since
reminder_events as (
    select
        reminders.program,
        'yotpo' as vendor,
        case when rewards.best_reward_id is null then 'points_reminder' else 'redemption_reminder' end as event_type,
        reminders.member_id,
        cast(reminders.on_date as {{ dbt.type_string() }}) as thing,
        reminders.on_date,
        reminders.days_left,
        coalesce(rewards.best_reward_id, rewards.next_reward_id) as object_id
    from reminders
    inner join rewards
        on
            reminders.program = rewards.program
            and reminders.member_id = rewards.member_id
    inner join states
        on
            reminders.program = states.program
            and reminders.member_id = states.member_id
    where
        states.unchanged_since_on <= reminders.on_date
        and (
            rewards.best_reward_id is not null
            {%- if var('points_reminder_within_points') is none %}
            or rewards.next_reward_id is not null
            {%- else %}
            or rewards.points_to_next_reward <= {{ var('points_reminder_within_points') }}
            {%- endif %}
        )
),

reached as (
    select * from yearly_events
    union all
    select * from expiring_events
    union all
    select * from reward_events
    union all
    select * from reminder_events
)

select
    reached.program,
    reached.vendor,
    {{ event_id(['reached.member_id', 'reached.thing'], 'reached.program', 'reached.event_type') }} as event_id,
    reached.event_type,
    reached.member_id,
    members.email,
    cast(reached.on_date as timestamp) as occurred_at,
    cast(
        case reached.event_type
            when 'customer_birthday'
                then {{ json_without_nulls(json_object_of({
                    'topic': "'swell/customer/birthday'",
                    'name': "'Swell Customer Birthday'",
                    'customer': yotpo_customer_json({
                        'birth_day': 'members.birth_day',
                        'birth_month': 'members.birth_month',
                        'birth_year': 'members.birth_year',
                    }),
                })) }}
            when 'customer_anniversary'
                then {{ json_without_nulls(json_object_of({
                    'topic': "'swell/customer/anniversary'",
                    'name': "'Swell Customer Anniversary'",
                    'customer': yotpo_customer_json({
                        'anniversary_day': 'members.anniversary_day',
                        'anniversary_month': 'members.anniversary_month',
                        'anniversary_year': 'members.anniversary_year',
                    }),
                })) }}
            when 'loyalty_expiration_reminder'
                then {{ json_without_nulls(json_object_of({
                    'topic': "'loyalty/expiration/reminder'",
                    'name': "'Loyalty Expiration Reminder'",
                    'loyalty_next_points_expire_on': 'cast(members.points_expire_at as date)',
                    'loyalty_next_points_expire_amount': 'members.points_expiring',
                    'days_to_point_expiration': 'reached.days_left',
                    'customer': yotpo_customer_json(),
                })) }}
            when 'points_reminder'
                then {{ json_without_nulls(json_object_of({
                    'topic': "'swell/points/reminder'",
                    'name': "'Swell Points Reminder'",
                    'points_needed': 'rewards.points_to_next_reward',
                    'redemption_option': yotpo_option_json('options'),
                    'customer': yotpo_customer_json(),
                })) }}
            when 'redemption_reminder'
                then {{ json_without_nulls(json_object_of({
                    'topic': "'swell/redemption/reminder'",
                    'name': "'Swell Redemption Reminder'",
                    'redemption_option': yotpo_option_json('options'),
                    'customer': yotpo_customer_json(),
                })) }}
            when 'points_expiring'
                then {{ json_object_of({
                    'customer_id': json_id('members.member_id'),
                    'points_balance': 'members.points_balance',
                    'points_expiring': 'members.points_expiring',
                    'points_expire_at': iso_millisecond_text('members.points_expire_at'),
                    'days_to_points_expiry': 'reached.days_left',
                }) }}
            when 'reward_expiring' then {{ smile_fulfillment_json('fulfillments') }}
        end as {{ dbt.type_string() }}
    ) as properties
from reached
inner join members
    on
        reached.program = members.program
        and reached.member_id = members.member_id
left join profiles
    on
        reached.program = profiles.program
        and reached.member_id = profiles.member_id
left join rewards
    on
        reached.program = rewards.program
        and reached.member_id = rewards.member_id
left join options
    on
        reached.program = options.program
        and reached.object_id = options.redemption_option_id
left join fulfillments
    on
        reached.program = fulfillments.program
        and reached.object_id = fulfillments.reward_fulfillment_id
