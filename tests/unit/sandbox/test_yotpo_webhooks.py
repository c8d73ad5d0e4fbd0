"""Yotpo's webhooks of the sandbox: the documented topics, with the documented fields."""

from typing import Any

import orjson
import pytest
from sandbox_desk import Desk

from sandbox.core.errors import SandboxError
from sandbox.yotpo.webhook_parts import Occasion
from sandbox.yotpo.webhook_posts import post
from sandbox.yotpo.webhooks import TOPICS, payloads

PERK = {
    "id", "campaign_id", "merchant_id", "customer_id", "reward_points", "completed",
    "completed_at", "awarded", "awarded_at", "pending", "reversed", "reversed_at", "expired",
    "expired_at", "expires_at", "redemption_option_id", "history_title", "created_at",
}  # fmt: skip
REDEMPTION = {
    "id", "created_at", "updated_at", "reward_text", "approved", "approved_at", "is_admin",
    "is_pos", "at_checkout",
}  # fmt: skip
OPTION = {"id", "name", "description", "icon", "cost_text", "amount"}
# Topic -> what its documentation shows beside topic and name.
FIELDS: dict[str, set[str]] = {
    "swell/points/earned": {"email", "customer", "perk"},
    "swell/points/changed": {
        *("email", "customer", "previous_balance", "current_balance", "difference"),
        *("added_or_removed", "points_changed_reason"),
    },
    "swell/points/reminder": {"email", "customer", "points_needed", "redemption_option"},
    "loyalty/expiration/reminder": {
        *("email", "customer", "website_url", "store_name", "loyalty_next_points_expire_on"),
        *("loyalty_next_points_expire_amount", "days_to_point_expiration"),
    },
    "swell/redemption/reminder": {"email", "customer", "redemption_option"},
    "loyalty/custom/reward/created": {"email", "customer", "redemption", "redemption_option"},
    "swell/redemption_code/below_threshold": {
        *("redemption_option", "redemption_option_id", "redemption_option_name"),
        "number_of_unused_codes",
    },
    "swell/customer/birthday": {"email", "customer", "perk", "redemption", "redemption_option"},
    "loyalty/opt_in": {"email", "customer"},
    "loyalty/opt_out": {"email", "customer"},
    "swell/tier/earned": {"email", "customer", "new_tier", "old_tier"},
    "swell/tier/lost": {"email", "customer", "new_tier", "old_tier"},
    "swell/tier/status/changed": {
        *("email", "customer", "vip_stats", "vip_stats_needed_maintain", "vip_stats_needed_next"),
    },
    "swell/referral/share": {"email", "from", "referral_link", "customer"},
    "swell/referral/completed": {
        *("email", "perk", "referrer", "referral_code", "referred_customer"),
    },
    "loyalty/referral/product_share": {
        *("email", "from", "customer", "product_referral_link", "product_id", "product_name"),
        "image_url",
    },
}


@pytest.fixture(scope="module")
def occasion() -> Occasion:
    programme = Desk(customers=400).shop.yotpo
    busy = [each for each in programme.members.values() if each.opt_in and each.tier > 0]
    return Occasion(programme, busy[0], busy[1])


@pytest.mark.parametrize("topic", TOPICS)
def test_each_topic_carries_its_documented_fields(topic: str, occasion: Occasion) -> None:
    for body in payloads(topic, occasion):
        assert (body["topic"], body["name"]) == (topic, TOPICS[topic][0])
        if topic in FIELDS:
            assert set(body) == {"topic", "name"} | FIELDS[topic]
        for name, least in (("perk", PERK), ("redemption_option", OPTION)):
            assert name not in body or least <= set(body[name]), name
        if "redemption" in body and topic not in (
            *("swell/customer/birthday", "swell/customer/anniversary"),
        ):
            assert set(body["redemption"]) >= REDEMPTION
        orjson.dumps(body)


def bodies(topic: str, occasion: Occasion) -> list[dict[str, Any]]:
    return list(payloads(topic, occasion))


def test_a_coupon_that_a_campaign_gave_has_a_perk_one_for_points_has_none(
    occasion: Occasion,
) -> None:
    redeemed, awarded = bodies("swell/redemption/created", occasion)
    assert "perk" not in redeemed
    assert awarded["perk"]["redemption_option"]["id"] == awarded["redemption_option"]["id"]
    assert redeemed["redemption"]["id"] != awarded["redemption"]["id"]


def test_a_share_is_addressed_to_the_friend(occasion: Occasion) -> None:
    (share,) = bodies("swell/referral/share", occasion)
    assert share["email"] == occasion.friend.email
    assert share["customer"]["email"] == share["from"] == occasion.member.email


def test_an_earned_tier_still_shows_the_old_one_in_customer(occasion: Occasion) -> None:
    (earned,) = bodies("swell/tier/earned", occasion)
    assert earned["customer"]["vip_tier_name"] == earned["old_tier"]["name"]
    assert earned["new_tier"]["rank"] == earned["old_tier"]["rank"] + 1


def test_the_same_order_gives_the_same_bodies_and_a_serial_other_ids(occasion: Occasion) -> None:
    again = Occasion(occasion.programme, occasion.member, occasion.friend, serial=1)
    first, second, other = (
        bodies("swell/points/earned", each) for each in (occasion, occasion, again)
    )
    assert first == second
    assert first[0]["perk"]["id"] != other[0]["perk"]["id"]


@pytest.mark.parametrize("url", ["http://shop.test/webhooks", "https://192.0.2.1/x", "no url"])
def test_webhooks_go_to_this_machine_only(url: str, occasion: Occasion) -> None:
    with pytest.raises(SandboxError, match="this machine only"):
        post(url, "Authorization", "secret", list(TOPICS), occasion)


def test_an_unknown_topic_is_told(occasion: Occasion) -> None:
    with pytest.raises(SandboxError, match="swell/birthday/captured"):
        post("http://127.0.0.1:9/", "X", "secret", ["swell/birthday/captured"], occasion)
