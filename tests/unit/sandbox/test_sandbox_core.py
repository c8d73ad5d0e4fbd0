"""Switches, faults, limits, clock and control API: what every vendor of the sandbox shares."""

from datetime import UTC, date, datetime

import pytest
from sandbox_desk import CONFIG, Desk

from sandbox.core.clock import SandboxClock, newest_day
from sandbox.core.errors import SandboxError
from sandbox.core.faults import LIST_FAULTS, Fault, Faults
from sandbox.core.limits import Limiter, Window
from sandbox.core.switches import Switch, Switches
from sandbox.state import load_vendors, save, starting_point

SWITCHES = (Switch("paging", "cursor", ("cursor", "number")), Switch("quota", 600))


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_unknown_switch_is_refused_and_the_message_lists_the_known_ones() -> None:
    with pytest.raises(SandboxError, match=r"has no switch 'pagination'.*paging, quota"):
        Switches("acme", SWITCHES).update({"pagination": "cursor"})


@pytest.mark.parametrize("value", ["page", 1, None, True])
def test_a_value_that_is_not_declared_is_refused(value: object) -> None:
    with pytest.raises(SandboxError, match="takes 'cursor', 'number'"):
        Switches("acme", SWITCHES).update({"paging": value})


def test_a_free_switch_takes_its_own_type_only() -> None:
    switches = Switches("acme", SWITCHES)
    switches.update({"quota": 5})
    assert switches["quota"] == 5
    with pytest.raises(SandboxError, match="takes a int"):
        switches.update({"quota": True})


def test_several_switches_change_together_or_not_at_all() -> None:
    switches = Switches("acme", SWITCHES)
    with pytest.raises(SandboxError):
        switches.update({"paging": "number", "quota": "many"})
    assert switches["paging"] == "cursor"


def fired(order: dict[str, object], requests: int = 12, operation: str = "GET /a") -> list[int]:
    faults = Faults("acme", seed=3)
    faults.set({"error": order})
    return [n for n in range(1, requests + 1) if faults.draw("error", operation) is not None]


def test_a_fault_strikes_the_next_requests() -> None:
    assert fired({"next": 3}) == [1, 2, 3]


def test_a_fault_strikes_every_nth_request() -> None:
    assert fired({"every": 4}) == [4, 8, 12]


def test_a_fault_can_let_requests_pass_first() -> None:
    assert fired({"after": 2, "next": 2}) == [3, 4]


def test_a_fault_rate_is_the_same_dice_every_time() -> None:
    assert fired({"rate": 0.4}, 50) == fired({"rate": 0.4}, 50)
    assert 5 < len(fired({"rate": 0.4}, 50)) < 35


def test_a_fault_keeps_to_its_operation() -> None:
    assert fired({"operation": "GET /b"}) == []


def test_rules_of_one_fault_may_be_a_list() -> None:
    faults = Faults("acme")
    faults.set({"error": [{"status": 503, "next": 1}, {"status": 429, "after": 1, "next": 1}]})
    drawn = [faults.draw("error", "GET /a") for _ in range(3)]
    assert [one and one["status"] for one in drawn] == [503, None, 429]


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ({"storm": {}}, "has no fault 'storm'"),
        ({"error": {"code": 500}}, "does not know"),
        ({"error": {"next": "two"}}, "whole number"),
        ({"error": {"every": 0}}, "whole number"),
        ({"error": {"rate": 2}}, "between 0 and 1"),
        ({"short_list": {"share": 2}}, "between 0 and 1"),
        ({"error": 3}, "takes an object"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(orders: dict[str, object], message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        Faults("acme", [Fault("stuck_job", "a job that never ends"), *LIST_FAULTS]).set(orders)


def test_a_window_refuses_beyond_its_limit_and_starts_anew_when_it_is_over() -> None:
    watch = Watch()
    limiter = Limiter([Window(3, 1.0)], monotonic=watch)
    assert [limiter.charge().allowed for _ in range(4)] == [True, True, True, False]
    watch.now += 0.99
    assert not limiter.charge().allowed
    watch.now += 0.02
    assert limiter.charge().allowed


def test_burst_and_steady_are_both_kept() -> None:
    watch = Watch()
    limiter = Limiter([Window(2, 1.0), Window(3, 60.0)], monotonic=watch)
    allowed = []
    for _ in range(3):
        allowed += [limiter.charge().allowed, limiter.charge().allowed]
        watch.now += 1
    assert allowed == [True, True, True, False, False, False]
    assert limiter.charge().retry_after_seconds == 57


def test_a_refused_request_costs_nothing() -> None:
    watch = Watch()
    limiter = Limiter([Window(1, 1.0), Window(3, 60.0)], monotonic=watch)
    for _ in range(5):
        limiter.charge()
    assert limiter.charge().states[1].remaining == 2


def test_a_sliding_window_counts_the_requests_of_the_last_seconds_at_any_moment() -> None:
    watch = Watch()
    limiter = Limiter([Window(2, 1.0)], monotonic=watch, is_sliding=True)
    assert limiter.charge().allowed
    watch.now += 0.9
    assert limiter.charge().allowed
    assert not limiter.charge().allowed
    watch.now += 0.2  # the first request is over a second old, the second is not
    assert [limiter.charge().allowed, limiter.charge().allowed] == [True, False]


def test_a_fixed_window_lets_two_bursts_through_where_it_ends() -> None:
    watch = Watch()
    limiter = Limiter([Window(2, 1.0)], monotonic=watch)
    limiter.charge()
    watch.now += 0.9
    assert [limiter.charge().allowed, limiter.charge().allowed] == [True, False]
    watch.now += 0.2
    assert [limiter.charge().allowed, limiter.charge().allowed] == [True, True]


def test_a_full_sliding_window_tells_when_its_oldest_request_leaves_it() -> None:
    watch = Watch()
    limiter = Limiter([Window(2, 60.0)], monotonic=watch, is_sliding=True)
    limiter.charge()
    watch.now += 20
    limiter.charge()
    assert limiter.charge().retry_after_seconds == 40


def test_the_scale_multiplies_a_limit_but_leaves_at_least_one() -> None:
    assert Limiter([Window(10, 1.0)], scale=2.5).charge().states[0].limit == 25
    assert Limiter([Window(10, 1.0)], scale=0.001).charge().states[0].limit == 1


def test_the_clock_stands_at_six_and_tells_its_listeners_each_day() -> None:
    clock = SandboxClock(date(2026, 2, 27))
    days: list[date] = []
    clock.subscribe(lambda day: days.append(day) or {"days": 1})
    assert clock.advance(3) == {"days": 3}
    assert clock.now() == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert days == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]


@pytest.mark.parametrize("days", [0, -1, True, 1.5, "1"])
def test_the_clock_moves_forward_by_whole_days_only(days: int) -> None:
    with pytest.raises(SandboxError, match="whole days"):
        SandboxClock(date(2026, 2, 27)).advance(days)


def test_the_newest_day_is_one_whose_six_o_clock_has_passed() -> None:
    assert newest_day(datetime(2026, 5, 5, 5, 59, tzinfo=UTC)) == date(2026, 5, 4)
    assert newest_day(datetime(2026, 5, 5, 6, 0, tzinfo=UTC)) == date(2026, 5, 5)


def test_a_kept_clock_goes_on_where_it_stood(tmp_path: object) -> None:
    desk = Desk(customers=20, state_dir=tmp_path)
    desk.advance(2)
    desk.sandbox.save()
    again = Desk(customers=20, state_dir=tmp_path)
    assert again.control("GET", "/")["now"] == "2026-11-23T06:00:00+00:00"
    assert again.shop.smile.transactions == desk.shop.smile.transactions


def test_a_kept_clock_catches_up_with_the_real_day_and_another_today_begins_anew(
    tmp_path: object,
) -> None:
    desk = Desk(customers=5, state_dir=tmp_path)
    save(desk.sandbox.config.state_dir, desk.sandbox.context.clock, {})
    start, newest = date(2026, 11, 21), date(2026, 11, 25)
    assert starting_point(desk.sandbox.config.state_dir, None, newest) == (start, 4)
    other = date(2026, 12, 1)
    assert starting_point(desk.sandbox.config.state_dir, other, newest) == (other, 0)
    load_vendors(None, desk.sandbox.vendors)


def test_the_control_api_says_what_it_knows() -> None:
    desk = Desk(customers=20)
    with pytest.raises(SandboxError, match="No vendor 'acme'"):
        desk.control("GET", "/switches/acme")
    with pytest.raises(SandboxError, match="no control operation"):
        desk.control("GET", "/weather")
    with pytest.raises(SandboxError, match="takes POST"):
        desk.control("GET", "/clock")
    with pytest.raises(SandboxError, match="days"):
        desk.control("POST", "/clock", {"hours": 1})
    with pytest.raises(SandboxError, match="JSON object"):
        desk.control("PUT", "/faults/smile", [])


def test_every_switch_tells_why_it_exists_and_returns_to_its_default() -> None:
    desk = Desk(customers=20)
    for vendor in ("smile", "yotpo"):
        switches = desk.control("GET", f"/switches/{vendor}")
        assert all(len(row["why"]) > 20 for row in switches.values()), vendor
        assert all(row["value"] == row["default"] for row in switches.values())
    desk.switch("smile", end_cursor="empty")
    desk.control("DELETE", "/switches/smile")
    assert desk.control("GET", "/switches/smile")["end_cursor"]["value"] == "null"


def test_an_unknown_path_is_404_and_a_wrong_method_405() -> None:
    desk = Desk(customers=20)
    assert desk.ask("smile", "/webhooks").status == 404
    assert desk.ask("smile", "/customers", method="DELETE").status == 405
    assert desk.ask("yotpo", "/orders").status == 404
    assert CONFIG.limits_scale > 1
