"""The shop: its ledgers tie, its days can be repeated, and every situation occurs."""

from collections import Counter
from datetime import date, timedelta

import pytest
from email_validator import validate_email
from sandbox_desk import NOW, TODAY, Desk

from sandbox.core.errors import SandboxError
from sandbox.shop.history import History, sample
from sandbox.shop.people import person
from sandbox.shop.yotpo_catalogue import TIERS


@pytest.fixture(scope="module")
def desk() -> Desk:
    """A shop that the tests of this module only read."""
    return Desk(customers=3000)


def assert_everything_ties(desk: Desk) -> None:
    for customer in desk.shop.smile.customers.values():
        assert customer.points_balance == sum(row.change for row in customer.ledger), customer.id
    for member in desk.shop.yotpo.members.values():
        counted = sum(item.points for item in member.history if item.counts)
        assert member.points_balance == counted, member.id


def records(desk: Desk) -> object:
    shop = desk.shop
    return shop.smile.customers, shop.smile.coupons, shop.smile.transactions, shop.yotpo.members


def test_every_balance_is_the_sum_of_its_ledger(desk: Desk) -> None:
    assert_everything_ties(desk)


def test_every_balance_still_ties_after_a_month_and_across_the_new_year() -> None:
    desk = Desk(customers=600)
    desk.advance(60)
    assert_everything_ties(desk)


def test_the_same_seed_gives_the_same_shop_and_another_seed_another() -> None:
    assert records(Desk()) == records(Desk())
    assert records(Desk()) != records(Desk(seed=8))


def test_two_days_one_by_one_are_the_same_as_two_days_at_once() -> None:
    one_by_one, at_once = Desk(customers=800), Desk(customers=800)
    happened = [Counter(one_by_one.advance(1)["happened"]) for _ in range(4)]
    assert sum(happened, Counter()) == Counter(at_once.advance(4)["happened"])
    assert records(one_by_one) == records(at_once)


def test_a_hand_made_change_moves_nobody_else() -> None:
    touched, untouched = Desk(customers=400), Desk(customers=400)
    changed = next(iter(touched.shop.smile.customers))
    touched.control("PATCH", f"/smile/customers/{changed}", {"points_balance": 9000})
    touched.control("POST", f"/smile/customers/{changed}/coupons", {})
    touched.advance(90)
    untouched.advance(90)
    for number, customer in untouched.shop.smile.customers.items():
        if number != changed:
            other = touched.shop.smile.customers[number]
            assert other.points_balance == customer.points_balance
            assert [one.code for one in other.coupons] == [one.code for one in customer.coupons]


def test_ids_grow_with_time_and_nothing_lies_after_now(desk: Desk) -> None:
    smile = desk.shop.smile
    for rows in (list(smile.customers.values()), smile.transactions, smile.coupons):
        assert [row.id for row in rows] == sorted({row.id for row in rows})
        moments = [row.created_at for row in rows]
        assert moments == sorted(moments)
        assert max(row.updated_at for row in rows) <= NOW
    for member in desk.shop.yotpo.members.values():
        assert member.last_seen_at <= NOW
        assert all(item.completed_at <= NOW for item in member.history)


def test_what_ends_in_the_future_has_not_ended_yet(desk: Desk) -> None:
    yotpo = desk.shop.yotpo
    for member in yotpo.members.values():
        for moment in (yotpo.points_expire_at(member), yotpo.tier_ends(member)):
            assert moment is None or moment > NOW


def test_nobody_lives_at_example_com_and_every_address_is_valid(desk: Desk) -> None:
    addresses = [one.smile_email for one in desk.shop.people.values()]
    addresses += [one.yotpo_email for one in desk.shop.people.values()]
    for address in filter(None, addresses):
        assert not address.lower().endswith(("example.com", "test.com"))
        validate_email(address, check_deliverability=False)


def test_yotpo_knows_an_address_once_and_smile_shares_a_few(desk: Desk) -> None:
    assert len(desk.shop.yotpo.members) == sum(one.yotpo for one in desk.shop.people.values())
    emails = Counter(
        (one.email or "").lower() for one in desk.shop.smile.customers.values() if one.email
    )
    assert 2 <= sum(count > 1 for count in emails.values()) <= 60


def test_a_smaller_shop_is_part_of_a_larger_one() -> None:
    assert set(sample(7, 50)) < set(sample(7, 500)) < set(sample(7, 23_570))
    assert person(7, 17) == person(7, 17)
    with pytest.raises(SandboxError, match="1 to 23570 customers"):
        sample(7, 23_571)


def test_the_history_is_whole_ends_today_and_repeats_after_364_days() -> None:
    history = History(TODAY, sample(7, 23_570))
    last = TODAY.toordinal()
    assert sum(len(history.on(day)) for day in range(history.first_day, last + 1)) == 69_659
    assert history.on(last)
    for ahead in (1, 200, 364, 365, 900):
        day = last + ahead
        source = day - 364 * -(-ahead // 364)
        assert last - 364 < source <= last
        assert history.on(day) == history.on(source)
        assert date.fromordinal(day).weekday() == date.fromordinal(source).weekday()


def test_the_split_is_sixty_thirty_five_five(desk: Desk) -> None:
    people = desk.shop.people.values()
    both = sum(one.smile and one.yotpo for one in people) / len(people)
    smile = sum(one.smile and not one.yotpo for one in people) / len(people)
    assert 0.03 < both < 0.07
    assert 0.56 < smile < 0.64


def test_smile_has_every_situation(desk: Desk) -> None:
    smile = desk.shop.smile
    customers = smile.customers.values()
    members = [one for one in customers if one.state == "member"]
    prices = {row["points_price"] or row["variable_points_min"] for row in smile.products}
    assert {one.state for one in customers} == {"member", "candidate", "disabled"}
    assert {one.tier for one in members} == {-1, 0, 1, 2, 3}
    assert any(one.points_balance in prices for one in members)
    assert any(one.points_balance == 0 for one in members)
    assert any(one.points_balance > 0 for one in customers if one.state == "candidate")
    assert sum(one.points_balance >= min(prices) for one in members) > len(members) / 3
    assert any(one.email is None for one in customers)
    assert any((one.date_of_birth or "").startswith("1004") for one in customers)
    assert any(not (one.first_name or "x").isascii() for one in customers)
    kinds = {row.kind for row in smile.transactions}
    assert kinds == {
        "signup", "order", "redeem", "birthday", "referral",
        "adjust", "refund", "return", "expire", "import",
    }  # fmt: skip
    coupons = {(one.status, one.usage_status) for one in smile.coupons}
    assert coupons >= {
        ("issued", "used"), ("issued", "unused"), ("issued", "untracked"),
        ("pending", "unused"), ("cancelled", "unused"), ("failed", "unused"),
    }  # fmt: skip
    unused = [
        one for one in smile.coupons if (one.status, one.usage_status) == ("issued", "unused")
    ]
    assert any(one.expires_at is None for one in unused)
    assert any(one.expires_at is not None and one.expires_at < NOW for one in unused)
    assert any(one.expires_at is not None and one.expires_at > NOW for one in unused)


def test_yotpo_has_every_situation(desk: Desk) -> None:
    yotpo = desk.shop.yotpo
    members = [one for one in yotpo.members.values() if one.opt_in]
    assert any(not one.opt_in for one in yotpo.members.values())
    assert {one.tier for one in members} == {0, 1, 2}
    prices = {row["amount"] for row in yotpo.options}
    assert any(one.points_balance in prices - {0} for one in members)
    assert any(one.points_balance == 0 for one in members)
    assert sum(one.points_balance >= 100 for one in members) > len(members) / 3
    assert any(one.referrals for one in members)
    statuses = {item.status for one in yotpo.members.values() for item in one.history}
    assert statuses >= {"Approved", "Pending", "Reversed", "33%", "66%", "Redeemed"}
    assert any("-" in status for status in statuses)
    assert {row["discount_type"] for row in yotpo.options} == {
        "fixed_amount", "percentage", "variable", "shipping", "product", "custom", "donation",
    }  # fmt: skip


def test_those_who_left_yotpo_have_neither_points_nor_tier() -> None:
    desk = Desk(customers=3000)
    outside = [one for one in desk.shop.yotpo.members.values() if not one.opt_in]
    assert any(one.history for one in outside)
    for member in outside:
        assert member.points_balance == 0
        assert member.tier == -1


def test_a_yotpo_tier_is_the_highest_whose_thresholds_are_met(desk: Desk) -> None:
    for member in desk.shop.yotpo.members.values():
        if member.opt_in:
            assert not any(member.meets(tier.entry) for tier in TIERS[member.tier + 1 :])


def test_an_expiry_leaves_nothing_and_comes_a_year_after_the_last_activity(desk: Desk) -> None:
    smile = desk.shop.smile
    seen = 0
    for customer in smile.customers.values():
        balance, active = 0, customer.created_at
        for row in customer.ledger:
            balance += row.change
            if row.kind == "expire":
                seen += 1
                assert balance == 0
                idle = date.fromisoformat(row.created_at[:10]) - date.fromisoformat(active[:10])
                assert timedelta(364) <= idle <= timedelta(366)
            if row.kind in ("signup", "order", "birthday", "referral", "redeem"):
                active = row.created_at
    assert seen > 50


def test_a_day_brings_purchases_and_consequences() -> None:
    desk = Desk(customers=5000)
    happened: Counter[str] = Counter()
    for _ in range(14):
        happened.update(desk.advance()["happened"])
    for kind in ("purchases", "redemptions", "tier_changes", "expiries", "coupons_used"):
        assert happened[kind] > 0, kind


def test_the_new_year_ends_tiers_of_the_year_before_last() -> None:
    desk = Desk(customers=1500)
    before = {one.id: one.tier for one in desk.shop.smile.customers.values()}
    desk.advance(41)
    after = desk.shop.smile.customers
    assert any(after[number].tier < tier for number, tier in before.items())
