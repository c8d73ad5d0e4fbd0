{#-
    What Yotpo's single records tell: the history of points, completed referrals, and the day of the opt-in. Properties
    have the shape of the webhook's JSON as far as it is known here; who it was is in the columns beside it. An event is
    known again by what its webhook tells too: the second of creation, points and title of an earning, the code of a
    redemption, the friend of a referral.
-#}
with items as (
    select * from {{ ref('int_yotpo__history_items_parsed') }}
    where
        is_ledger_row
        and coalesce(created_at, occurred_at) > {{ dbt.dateadd('day', '-' ~ var('event_history_days'), loyalty_now()) }}
),

descriptions as (
    select
        description,
        transaction_kind
    from {{ ref('int_loyalty__descriptions_classified') }}
    where vendor = 'yotpo'
),

options as (
    select * from {{ ref('stg_yotpo__redemption_options') }}
),

named_options as (
    select * from {{ ref('int_loyalty__redemptions_matched') }}
),

referrals as (
    select * from {{ ref('fct_referrals') }}
    where completed_at is not null
),

friends as (
    select
        program,
        email_key,
        friend_email,
        max(first_name) as first_name,
        max(last_name) as last_name,
        max(reward_type) as reward_type,
        max(referral_status) as referral_status
    from {{ ref('stg_yotpo__completed_referrals') }}
    group by program, email_key, friend_email
),

profiles as (
    select * from {{ ref('int_yotpo__profile_properties_read') }}
),

members as (
    select * from {{ ref('dim_members') }}
    where vendor = 'yotpo'
),

-- the kinds of fct_points_transactions: an approved gain is earned unless its text says otherwise
earned as (
    select
        items.program,
        items.member_id,
        items.history_item_id,
        items.points_change,
        items.description,
        items.created_at,
        items.completed_at,
        items.occurred_at,
        {{ epoch_second('coalesce(items.created_at, items.occurred_at)') }} as created_second
    from items
    left join descriptions on items.description = descriptions.description
    where
        items.status_class = 'approved'
        and items.points_change > 0
        and coalesce(descriptions.transaction_kind, 'earn') = 'earn'
),

-- the same points for the same thing in the same second, more than once: rare, so only these are numbered
repeated as (
    select {{ row_hash(['program', 'member_id', 'created_second', 'points_change', 'description']) }} as key_hash
    from earned
    group by {{ row_hash(['program', 'member_id', 'created_second', 'points_change', 'description']) }}
    having count(*) > 1
),

numbered as (
    select
        program,
        history_item_id,
        row_number() over (
            partition by program, member_id, created_second, points_change, description
            order by created_at, history_item_id
        ) as repetition
    from earned
    where
        {{ row_hash(['program', 'member_id', 'created_second', 'points_change', 'description']) }}
        in (select repeated.key_hash from repeated)
),

earnings as (
    select
        earned.program,
        'points_earned' as event_type,
        earned.member_id,
        {{ event_id(
            [
                'earned.member_id', 'earned.created_second', 'earned.points_change', 'earned.description',
                'coalesce(numbered.repetition, 1)',
            ],
            'earned.program', "'points_earned'"
        ) }} as event_id,
        earned.occurred_at,
        cast(null as {{ dbt.type_string() }}) as near_key,
        {{ json_object_of({
            'topic': "'swell/points/earned'",
            'name': "'Swell Points Earned'",
            'perk': json_object_of({
                'reward_points': 'earned.points_change',
                'history_title': 'earned.description',
                'completed_at': iso_millisecond_text('earned.completed_at'),
                'created_at': iso_millisecond_text('earned.created_at'),
            }),
            'customer': yotpo_customer_then_json('earned.occurred_at'),
        }) }} as properties
    from earned
    left join profiles
        on
            earned.program = profiles.program
            and earned.member_id = profiles.member_id
    left join members
        on
            earned.program = members.program
            and earned.member_id = members.member_id
    left join numbered
        on
            earned.program = numbered.program
            and earned.history_item_id = numbered.history_item_id
),

redeemed as (
    select
        *,
        case
            when status_class = 'redemption' then 'coupon_redeemed'
            when status_text = 'donation' then 'donation_created'
            else 'custom_reward_redeemed'
        end as event_type,
        -- a redemption without a code is known by its second
        coalesce(
            coupon_code,
            cast({{ epoch_second('coalesce(created_at, occurred_at)') }} as {{ dbt.type_string() }})
        ) as thing
    from items
    where points_change < 0 and status_class in ('redemption', 'redemption_without_code')
),

first_redeemed as (
    select *
    from (
        select
            *,
            row_number() over (
                partition by program, member_id, event_type, thing order by occurred_at, history_item_id
            ) as thing_number
        from redeemed
    ) as things
    where thing_number = 1
),

redemptions as (
    select
        redeemed.program,
        redeemed.event_type,
        redeemed.member_id,
        {{ event_id(['redeemed.member_id', 'redeemed.thing'], 'redeemed.program', 'redeemed.event_type') }} as event_id,
        redeemed.occurred_at,
        cast(null as {{ dbt.type_string() }}) as near_key,
        {{ json_without_nulls(json_object_of({
            'topic': "case redeemed.event_type when 'coupon_redeemed' then 'swell/redemption/created'"
                ~ " when 'donation_created' then 'loyalty/donation/created' else 'loyalty/custom/reward/created' end",
            'name': "case redeemed.event_type when 'coupon_redeemed' then 'Swell Redemption Created'"
                ~ " when 'donation_created' then 'Loyalty Donation Created' else 'Loyalty Custom Reward Created' end",
            'redemption': json_object_of({
                'created_at': iso_millisecond_text('redeemed.created_at'),
                'reward_text': 'coalesce(redeemed.coupon_code, redeemed.status)',
            }),
            'redemption_option': yotpo_option_json('options'),
            'customer': yotpo_customer_then_json('redeemed.occurred_at'),
            'history_title': 'redeemed.description',
            'points': 'redeemed.points_change',
        })) }} as properties
    from first_redeemed as redeemed
    left join profiles
        on
            redeemed.program = profiles.program
            and redeemed.member_id = profiles.member_id
    left join members
        on
            redeemed.program = members.program
            and redeemed.member_id = members.member_id
    left join named_options
        on
            redeemed.program = named_options.program
            and redeemed.description = named_options.description
    left join options
        on
            named_options.program = options.program
            and named_options.reward_id = options.redemption_option_id
),

completed as (
    select
        referrals.program,
        'referral_completed' as event_type,
        referrals.referrer_member_id as member_id,
        {{ event_id(
            ['referrals.referrer_member_id', 'referrals.friend_email'], 'referrals.program', "'referral_completed'"
        ) }} as event_id,
        referrals.completed_at as occurred_at,
        cast(null as {{ dbt.type_string() }}) as near_key,
        -- only the newer programme tells a state
        {{ json_without_nulls(json_object_of({
            'topic': "case when friends.referral_status is null then 'swell/referral/completed' else 'yotpo/referral/completed' end",
            'name': "case when friends.referral_status is null then 'Swell Referral Completed' else 'Yotpo Referral completed' end",
            'referrer': json_object_of({'email': 'referrals.referrer_member_id'}),
            'customer': yotpo_customer_then_json('referrals.completed_at'),
            'referred_customer': json_object_of({
                'email': 'referrals.friend_email',
                'first_name': 'friends.first_name',
                'last_name': 'friends.last_name',
                'last_seen_at': iso_millisecond_text('referrals.friend_last_seen_at'),
                'reward_type': 'friends.reward_type',
                'referral_status': 'friends.referral_status',
            }),
        })) }} as properties
    from referrals
    left join profiles
        on
            referrals.program = profiles.program
            and referrals.referrer_member_id = profiles.member_id
    left join members
        on
            referrals.program = members.program
            and referrals.referrer_member_id = members.member_id
    left join friends
        on
            referrals.program = friends.program
            and referrals.referrer_member_id = friends.email_key
            and referrals.friend_email is not distinct from friends.friend_email
),

opt_ins as (
    select
        profiles.program,
        'loyalty_opt_in' as event_type,
        profiles.member_id,
        {{ event_id(['profiles.member_id', "''", 'profiles.opted_in_on'], 'profiles.program', "'loyalty_opt_in'") }} as event_id,
        profiles.opted_in_at as occurred_at,
        profiles.member_id as near_key,
        {{ json_object_of({
            'topic': "'loyalty/opt_in'",
            'name': "'Loyalty Opt In'",
            'customer': yotpo_customer_then_json('profiles.opted_in_at', {
                'email': 'profiles.member_id',
                'is_opt_in': 'true',
                'loyalty_opt_in_date': 'profiles.opted_in_on',
            }),
        }) }} as properties
    from profiles
    left join members
        on
            profiles.program = members.program
            and profiles.member_id = members.member_id
    -- the day stays when somebody opts out again (https://support.yotpo.com/v1/docs/loyalty-opt-in)
    where profiles.opted_in_at is not null
),

happened as (
    select * from earnings
    union all
    select * from redemptions
    union all
    select * from completed
    union all
    select * from opt_ins
)

select
    program,
    'yotpo' as vendor,
    event_id,
    event_type,
    member_id,
    member_id as email,
    false as is_about_friend,
    occurred_at,
    properties,
    'rest' as origin,
    near_key
from happened
