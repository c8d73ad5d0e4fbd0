"""The documented bodies of Yotpo's webhooks, and what each must become.

Bodies are those of the vendor's pages, addresses replaced: Klaviyo drops example.com. Each is about
a person of its own, so that what Rule holds of somebody came from one event. Where a page shows no
whole body, the fields that it names are filled in. What becomes of one is written down here from
Rule's own table of tags and fields, not from the product's.

    https://loyaltyapi.yotpo.com/reference/points-earned and its siblings
    https://help.rule.io/en/articles/349490-yotpo-loyalty
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
DOMAIN = "sample-shop.se"
# What the shop is called where a body does not say so.
STORE = "Sample Shop"

# Group of Rule's table -> field -> where the body has it.
_CUSTOMER = {
    "Subscriber.FirstName": "first_name",
    "Subscriber.LastName": "last_name",
    "Yotpo.TotalSpendCents": "total_spend_cents",
    "Yotpo.TotalPurchases": "total_purchases",
    "Yotpo.LastPurchaseAt": "last_purchase_at",
    "Yotpo.PerksRedeemed": "perks_redeemed",
    "Yotpo.PointsEarned": "points_earned",
    "Yotpo.PointsBalance": "points_balance",
    "Yotpo.PointsExpireAt": "points_expire_at",
    "Yotpo.LastSeenAt": "last_seen_at",
    "Yotpo.IsMember": "is_member",
}
_TIER = {
    "ID": "id",
    "Name": "name",
    "Description": "description",
    "PointsEarned": "points_earned",
    "AmountSpentCents": "amount_spent_cents",
    "PurchasesMade": "purchases_made",
    "PointsMultiplier": "points_multiplier",
    "Rank": "rank",
}
_NEEDED = {
    "Points": "points_needed",
    "AmountCents": "amount_cents_needed",
    "Purchases": "purchases_needed",
    "Referrals": "referrals_needed",
}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "Customer": {name: f"customer.{key}" for name, key in _CUSTOMER.items()},
    "Reward": {
        "Yotpo.RedemptionRewardText": "redemption.reward_text",
        "Yotpo.RedemptionName": "redemption_option.name",
        "Yotpo.RedemptionDescription": "redemption_option.description",
        "Yotpo.RedemptionAmount": "redemption_option.amount",
    },
    "Perk": {
        "Yotpo.PerkID": "perk.id",
        "Yotpo.PerkCampaignID": "perk.campaign_id",
        "Yotpo.PerkRewardPoints": "perk.reward_points",
        "Yotpo.PerkHistoryTitle": "perk.history_title",
    },
    "PointsReminder": {"Yotpo.RedemptionPointsNeeded": "points_needed"},
    "OptIn": {
        "Yotpo.OptIn": "customer.is_opt_in",
        "Yotpo.OptInDate": "customer.loyalty_opt_in_date",
    },
    "ReferralShare": {
        "Yotpo.ReferredByEmail": "from",
        "Yotpo.ReferredByFirstName": "customer.first_name",
        "Yotpo.ReferredByLastName": "customer.last_name",
        "Yotpo.ReferredByReferralLink": "referral_link",
    },
    "ProductReferralShare": {
        "Yotpo.ProductReferredByEmail": "from",
        "Yotpo.ProductReferredByFirstName": "customer.first_name",
        "Yotpo.ProductReferredByLastName": "customer.last_name",
        "Yotpo.ProductReferralLink": "product_referral_link",
        "Yotpo.ProductID": "product_id",
        "Yotpo.ProductName": "product_name",
        "Yotpo.ProductImageURL": "image_url",
    },
    "ReferralCompleted": {
        "Yotpo.ReferredToEmail": "referred_customer.email",
        "Yotpo.ReferredToFirstName": "referred_customer.first_name",
        "Yotpo.ReferredToLastName": "referred_customer.last_name",
    },
    "Tier": {
        f"Yotpo.{which}Tier{name}": f"{which.lower()}_tier.{key}"
        for which in ("New", "Old")
        for name, key in _TIER.items()
    },
    "TierStats": {
        "Yotpo.TierStatsCurrentPoints": "vip_stats.pointsEarned",
        "Yotpo.TierStatsCurrentAmountCents": "vip_stats.amountSpentCents",
        "Yotpo.TierStatsCurrentPurchases": "vip_stats.purchasesMade",
        "Yotpo.TierStatsCurrentReferrals": "vip_stats.referralsCompleted",
        **{
            f"Yotpo.TierStatsNeeded{which}{name}": f"vip_stats_needed_{which.lower()}.{key}"
            for which in ("Maintain", "Next")
            for name, key in _NEEDED.items()
        },
    },
}
MOMENTS = {
    "Yotpo.LastPurchaseAt", "Yotpo.PointsExpireAt", "Yotpo.LastSeenAt", "Yotpo.OptInDate",
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One body and what becomes of it.

    Attributes:
        body: as posted; `happened_at`: the moment that it names, else None.
        event_type: in fct_loyalty_events; `metric`: at Klaviyo, None = not told.
        tag: at Rule; "" = none but the integration's own, None = not told.
        groups: of Rule's table; `also`: fields beyond them, with their text.
        lacks: fields of these groups that the documented body has not.
        friend: the event is about the friend.
    """

    name: str
    body: Body
    event_type: str
    metric: str | None
    tag: str | None
    groups: tuple[str, ...] = ()
    happened_at: str | None = None
    also: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    friend: bool = False

    @property
    def member(self) -> str:
        return f"{self.name}@{DOMAIN}"

    @property
    def addressee(self) -> str:
        return f"friend-of-{self.name}@{DOMAIN}" if self.friend else self.member

    def fields(self) -> dict[str, str]:
        """Rule's fields that the event must write, as text."""
        found = {"Yotpo.StoreName": self.body.get("store_name", STORE), **self.also}
        body = {"customer": self.body.get("referrer"), **self.body}
        for group in self.groups:
            for name, path in GROUPS[group].items():
                value: Any = body
                for key in path.split("."):
                    value = value.get(key) if isinstance(value, dict) else None
                if value is not None:
                    found[name] = _text(value, is_moment=name in MOMENTS)
        return found


def _text(value: Any, *, is_moment: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if is_moment:
        return f"{value} 00:00:00" if len(value) == 10 else f"{value[:10]} {value[11:19]}"
    return str(value)


def _referral_code(email: str) -> Body:
    zeros = (
        *("shares", "facebook_shares", "twitter_shares", "email_shares", "emails_sent"),
        *("emails_viewed", "links_clicked_from_email", "links_clicked_from_twitter"),
        *("links_clicked_from_facebook", "orders", "amount_cents", "average_amount_cents"),
        *("unique_clicks", "total_clicks"),
    )
    return {
        "code": "117yu4g", **dict.fromkeys(zeros, 0), "expires_at": None, "expired": False,
        "completed_referral_customers": [], "email": email,
    }  # fmt: skip


def _customer(name: str, **more: Any) -> Body:
    """The customer of the sample "points earned", without `is_member`, which came later."""
    return {
        "total_spend_cents": 0, "total_purchases": 0, "perks_redeemed": 0,
        "last_purchase_at": None, "email": f"{name}@{DOMAIN}", "referred_by": f"bo@{DOMAIN}",
        "points_earned": 200, "points_balance": 200, "points_expire_at": None,
        "first_name": "Ava", "last_name": "Chen", "last_seen_at": "2016-10-15T15:29:27.000Z",
        "third_party_id": "4302977345", "referral_code": _referral_code(f"{name}@{DOMAIN}"),
        **more,
    }  # fmt: skip


def _newer(name: str, **more: Any) -> Body:
    """The customer with all keys that newer samples show."""
    return _customer(
        name, total_spend_cents=12345, total_purchases=3, perks_redeemed=2,
        last_purchase_at="2026-01-02T03:04:05.000Z", points_earned=2460, points_balance=460,
        points_expire_at="2030-12-31T00:00:00.000Z", thirty_party_id="2691804725305",
        referred_by_customer=None, is_member=True, accepts_marketing=False,
        referral_link="http://rwrd.io/3120htx", referral_discount_code=None, is_opt_in=True,
        loyalty_opt_in_date="2025-03-24", has_store_account=True, credit_balance="$0",
        credit_balance_in_customer_currency="$0", is_affiliate=False, vip_tier_name="Power User",
        vip_tier_ends_at="2030-12-31", **more,
    )  # fmt: skip


_MOMENT = "2016-10-15T15:29:27.911Z"
_PERK: Body = {
    "id": 1, "campaign_id": 1, "merchant_id": 1, "customer_id": 139, "reward_points": 200,
    "completed": True, "completed_at": _MOMENT, "awarded": True, "awarded_at": _MOMENT,
    "pending": False, "reversed": False, "reversed_at": None, "expired": False,
    "expired_at": None, "expires_at": None, "redemption_option_id": None,
    "history_title": "Create an account", "created_at": "2016-10-15T15:29:27.828Z",
}  # fmt: skip
_REDEMPTION: Body = {
    "id": 2, "created_at": "2016-10-15T16:00:17.786Z", "updated_at": "2016-10-15T16:00:17.786Z",
    "reward_text": "TENPERCENT", "approved": True, "approved_at": "2016-10-15T16:00:17.915Z",
    "is_admin": False, "is_pos": False, "at_checkout": False,
}  # fmt: skip
_OPTION: Body = {
    "id": 152, "name": "10% Off", "description": "Get 10% off your next purchase for 0 points",
    "icon": "fa-percent", "cost_text": "0 Points", "amount": 0,
}  # fmt: skip
_GIFT_PERK: Body = {
    **_PERK, "id": 3, "campaign_id": 4, "reward_points": 0, "completed": False,
    "completed_at": None, "awarded": False, "awarded_at": None, "redemption_option_id": 152,
    "history_title": "Join our newsletter", "created_at": "2016-10-15T16:00:17.000Z",
    "redemption_option": _OPTION,
}  # fmt: skip
_DONATION_OPTION: Body = {
    "id": 353572, "name": "14$ off", "description": "Give 2 points", "icon": "fa-dollar",
    "cost_text": "2 Points", "amount": 2, "applies_to_product_type": "ALL",
    "duration": "single_use", "type": "Coupon", "discount_amount_cents": 2200,
    "discount_rate_cents": None, "discount_percentage": None, "discount_type": "donation",
}  # fmt: skip
_GOLD: Body = {
    "id": 2, "name": "GOLD", "description": "Earn Gold status after spending $100",
    "points_earned": 0, "amount_spent_cents": 10000, "purchases_made": 0,
    "points_multiplier": 1.50, "rank": 2,
}  # fmt: skip
_SILVER: Body = {
    "id": 1, "name": "SILVER", "description": "Earn Silver status after spending $50",
    "points_earned": 0, "amount_spent_cents": 5000, "purchases_made": 0,
    "points_multiplier": 1.20, "rank": 1,
}  # fmt: skip
_ZEROS = dict.fromkeys(_NEEDED.values(), 0)
_NEW_CODE: Body = {
    "code": "AVA-5", "customer_id": 139, "total_shares": 1, "email_shares": 1, "expired": False,
    "customer": None, "completed_referral_customers": [], "unique_clicks": 0, "total_clicks": 0,
}  # fmt: skip
_STORE = {"website_url": "https://sample-shop.se", "store_name": "The Body's Shop"}
_NO_MEMBERSHIP = frozenset({"Yotpo.IsMember"})
_NOTHING_YET = frozenset({"Yotpo.LastPurchaseAt", "Yotpo.PointsExpireAt"})
# Of the sample "points earned" and those that share its customer.
_OF_2016 = _NO_MEMBERSHIP | _NOTHING_YET
_CELEBRATED = {
    "perk": {**_PERK, "id": 9, "history_title": "Happy Birthday"},
    "redemption": {
        key: _REDEMPTION[key]
        for key in ("id", "created_at", "updated_at", "reward_text", "approved", "approved_at")
    },
    "redemption_option": _OPTION,
}


def _body(topic: str, name: str, person: str, customer: Body | None = None, **more: Any) -> Body:
    shown = _newer(person) if customer is None else customer
    return {"topic": topic, "name": name, "email": f"{person}@{DOMAIN}", "customer": shown, **more}


def _without_code(customer: Body) -> Body:
    return {key: value for key, value in customer.items() if key != "referral_code"}


def _share(topic: str, name: str, person: str, **more: Any) -> Body:
    """Addressed to the friend; the customer is the one who shares."""
    body = _body(topic, name, person, **more)
    return {**body, "email": f"friend-of-{person}@{DOMAIN}", "from": f"{person}@{DOMAIN}"}


def _shared_product(topic: str, name: str, person: str) -> Body:
    return _share(
        topic, name, person, product_referral_link="http://rwrd.io/3120htx/p/39283712",
        product_id="39283712", product_name="Tote Bag", image_url="https://sample-shop.se/tote.jpg",
    )  # fmt: skip


def _referred(person: str) -> Body:
    """The legacy body: `referrer` stands where others have `customer`."""
    body = _body(
        "swell/referral/completed", "Swell Referral Completed", person,
        perk={**_PERK, "history_title": "Refer a Friend"}, referrer=_newer(person),
        referral_code={**_referral_code(f"{person}@{DOMAIN}"), "id": 7, "customer_id": 139},
        referred_customer=_customer(f"fay-{person}", first_name="Fay"),
    )  # fmt: skip
    del body["customer"]
    return body


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "points-earned",
        _body("swell/points/earned", "Swell Points Earned", "points-earned",
              _customer("points-earned"), perk=_PERK),
        "points_earned", "Swell Points Earned", "PointsEarned", ("Customer", "Perk"),
        _MOMENT, lacks=_OF_2016,
    ),
    Sample(
        "points-changed",
        _body("swell/points/changed", "Swell Points Changed", "points-changed",
              previous_balance=560, current_balance=460, difference=100,
              added_or_removed="removed", points_changed_reason="Redemption Made"),
        "points_changed", None, None,
    ),
    Sample(
        "coupon-redeemed",
        _body("swell/redemption/created", "Swell Redemption Created", "coupon-redeemed",
              _customer("coupon-redeemed"), redemption=_REDEMPTION, redemption_option=_OPTION),
        "coupon_redeemed", "Swell Redemption Created", "CouponRedeemed", ("Customer", "Reward"),
        "2016-10-15T16:00:17.786Z", lacks=_OF_2016,
    ),
    Sample(
        "coupon-awarded",
        _body("swell/redemption/created", "Swell Redemption Created", "coupon-awarded",
              _customer("coupon-awarded"), redemption=_REDEMPTION, redemption_option=_OPTION,
              perk=_GIFT_PERK),
        "coupon_awarded", "Swell Redemption Created", "CouponAwarded",
        ("Customer", "Reward", "Perk"), "2016-10-15T16:00:17.786Z", lacks=_OF_2016,
    ),
    Sample(
        "custom-reward",
        _body("loyalty/custom/reward/created", "Loyalty Custom Reward Created", "custom-reward",
              redemption={**_REDEMPTION, "reward_text": "Redeemed"}, redemption_option=_OPTION),
        "custom_reward_redeemed", "Loyalty Custom Reward Created", "CustomRewardRedeemed",
        ("Customer", "Reward"), "2016-10-15T16:00:17.786Z",
    ),
    Sample(
        "donation",
        _body("loyalty/donation/created", "Loyalty Donation Created", "donation",
              redemption={**_REDEMPTION, "id": 16977423, "reward_text": "Donation",
                          "approved": False, "approved_at": None, "amount": None,
                          "token": "0" * 32, "third_party_id": None,
                          "third_party_rule_id": None},
              redemption_option=_DONATION_OPTION, redemption_option_id=353572,
              redemption_option_name="14$ off", at_checkout=False, is_pos=False),
        "donation_created", "Loyalty Donation Created", "DonationCreated",
        ("Customer", "Reward"), "2016-10-15T16:00:17.786Z",
    ),
    Sample(
        "birthday",
        _body("swell/customer/birthday", "Swell Customer Birthday", "birthday",
              _without_code(_newer("birthday")), **_CELEBRATED),
        "customer_birthday", "Swell Customer Birthday", "Birthday",
        ("Customer", "Reward", "Perk"), _MOMENT,
    ),
    Sample(
        "anniversary",
        _body("swell/customer/anniversary", "Swell Customer Anniversary", "anniversary",
              _without_code(_newer("anniversary")), **_CELEBRATED),
        "customer_anniversary", "Swell Customer Anniversary", "Anniversary",
        ("Customer", "Reward", "Perk"), _MOMENT,
    ),
    Sample(
        "born",
        _body("", "Swell Birthday Captured", "born",
              _newer("born", birth_day=8, birth_month=5, birth_year=1990)),
        "customer_birthday_captured", "Swell Birthday Captured", "", ("Customer",),
        also={"Subscriber.Birthday": "1990-05-08"},
    ),
    Sample(
        "wed",
        _body("", "Swell Anniversary Captured", "wed",
              _newer("wed", anniversary_day=29, anniversary_month=2, anniversary_year=2012)),
        "customer_anniversary_captured", "Swell Anniversary Captured", "", ("Customer",),
        also={"Subscriber.Anniversary": "2012-02-29"},
    ),
    Sample(
        "opt-in", _body("loyalty/opt_in", "Loyalty Opt In", "opt-in"),
        "loyalty_opt_in", "Loyalty opt_in", "LoyaltyOptIn", ("Customer", "OptIn"),
        "2025-03-24T00:00:00.000Z",
    ),
    Sample(
        "opt-out",
        _body("loyalty/opt_out", "Loyalty Opt Out", "opt-out",
              {**_newer("opt-out"), "is_opt_in": False, "is_member": False}),
        "loyalty_opt_out", "Loyalty opt_out", "LoyaltyOptIn", ("Customer", "OptIn"),
    ),
    Sample(
        "points-reminder",
        _body("swell/points/reminder", "Swell Points Reminder", "points-reminder",
              points_needed=40, redemption_option=_OPTION),
        "points_reminder", "Swell Points Reminder", "PointsReminder",
        ("Customer", "Reward", "PointsReminder"), lacks=frozenset({"Yotpo.RedemptionRewardText"}),
    ),
    Sample(
        "redemption-reminder",
        _body("swell/redemption/reminder", "Swell Redemption Reminder", "redemption-reminder",
              redemption_option=_OPTION),
        "redemption_reminder", "Swell Redemption Reminder", "RedemptionReminder",
        ("Customer", "Reward"), lacks=frozenset({"Yotpo.RedemptionRewardText"}),
    ),
    Sample(
        "expiry-reminder",
        _body("loyalty/expiration/reminder", "Loyalty Expiration Reminder", "expiry-reminder",
              loyalty_next_points_expire_on="2030-12-31", loyalty_next_points_expire_amount=460,
              days_to_point_expiration=30, **_STORE),
        "loyalty_expiration_reminder", "Loyalty Expiration Reminder", None,
    ),
    Sample(
        "share",
        _share("swell/referral/share", "Swell Referral Share", "share",
               referral_link="http://rwrd.io/3120htx"),
        "referral_link_share", "Swell Referral Share", "ReferralLinkShare", ("ReferralShare",),
        friend=True,
    ),
    Sample(
        "new-share",
        _share("yotpo/referral/shared", "Yotpo Referral shared", "new-share",
               referral_link="http://rwrd.io/3120htx", referral_code=_NEW_CODE,
               redemption_option={"id": 1, "type": "shopify_fixed_amount_coupon",
                                  "name": "$5.00 Off", "description": None, "amount": None},
               **_STORE),
        "referral_link_share", "Yotpo Referral Share", "ReferralLinkShare", ("ReferralShare",),
        also={"Yotpo.RedemptionName": "$5.00 Off"}, friend=True,
    ),
    Sample(
        "share-reminder",
        _share("swell/referral/share/reminder", "Swell Referral Share Reminder", "share-reminder",
               referral_link="http://rwrd.io/3120htx"),
        "referral_share_reminder", "Swell Referral Share Reminder", "ReferralShareReminder",
        ("ReferralShare",), friend=True,
    ),
    Sample(
        "product",
        _shared_product("loyalty/referral/product_share", "Loyalty Referral Product Share",
                        "product"),
        "referral_product_share", "Loyalty Referral Product Share", "ReferralProductShare",
        ("ProductReferralShare",), friend=True,
    ),
    Sample(
        "product-reminder",
        _shared_product("loyalty/referral/product_share/reminder",
                        "Loyalty Referral Product Share Reminder", "product-reminder"),
        "referral_product_share_reminder", "Loyalty Referral Product Share Reminder",
        "ReferralProductShareReminder", ("ProductReferralShare",), friend=True,
    ),
    Sample(
        "referred", _referred("referred"), "referral_completed", "Swell Referral Completed",
        "ReferralCompleted", ("Customer", "Perk", "ReferralCompleted"), _MOMENT,
    ),
    Sample(
        "newly-referred",
        _body("yotpo/referral/completed", "Yotpo Referral completed", "newly-referred",
              perk={**_PERK, "campaign_id": None, "reward_points": None,
                    "history_title": "Refer a Friend", "redemption_option": _OPTION,
                    "redemption": _REDEMPTION},
              referral_code=_NEW_CODE,
              referred_customer=_customer("fay-newly-referred", first_name="Fay"), **_STORE),
        "referral_completed", "Yotpo Referral Completed", "ReferralCompleted",
        ("Customer", "Perk", "ReferralCompleted"), _MOMENT,
        lacks=frozenset({"Yotpo.PerkCampaignID", "Yotpo.PerkRewardPoints"}),
    ),
    Sample(
        "tier-earned",
        _body("swell/tier/earned", "Swell Tier Earned", "tier-earned",
              _newer("tier-earned") | {"vip_tier_name": "SILVER", "vip_tier_ends_at": "2017-10-31"},
              new_tier=_GOLD, old_tier=_SILVER),
        "vip_tier_earned", "Swell Tier Earned", "VIP Tier Earned", ("Customer", "Tier"),
    ),
    Sample(
        "tier-lost",
        _body("swell/tier/lost", "Swell Tier Lost", "tier-lost", old_tier=_SILVER),
        "vip_tier_lost", "Swell Tier Lost", "TierLost", ("Customer", "Tier"),
        lacks=frozenset(f"Yotpo.NewTier{name}" for name in _TIER),
    ),
    Sample(
        "tier-status",
        _body("swell/tier/status/changed", "Swell Tier Status Changed", "tier-status",
              vip_stats={"pointsEarned": 0, "amountSpentCents": 500, "purchasesMade": 0,
                         "referralsCompleted": 0},
              vip_stats_needed_maintain=_ZEROS, vip_stats_needed_next=_ZEROS),
        "vip_tier_status_change", "Swell Tier Status Changed", "TierStatusChanged",
        ("Customer", "TierStats"),
    ),
)  # fmt: skip
