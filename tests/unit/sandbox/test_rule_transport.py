"""What all Rule operations share: keys, the request budget, the error budget, pages."""

import re
from datetime import UTC, datetime

import pytest
from rule_account import SUBSCRIBERS, V3, RuleAccount, person

from sandbox.credentials import RULE_API_KEY
from sandbox.rule.limits import wall_time


@pytest.fixture
def rule() -> RuleAccount:
    return RuleAccount()


def test_v2_takes_its_key_in_header_query_or_body(rule: RuleAccount) -> None:
    assert rule.get(SUBSCRIBERS).status_code == 200
    query = {"apikey": RULE_API_KEY}
    assert rule.get(SUBSCRIBERS, headers={}, params=query).status_code == 200
    body = {"apikey": RULE_API_KEY, "subscribers": person("anna@shop.se")}
    assert rule.post(SUBSCRIBERS, body, headers={}).status_code == 200


def test_v3_takes_its_key_in_the_header_only(rule: RuleAccount) -> None:
    body = {"apikey": RULE_API_KEY, "email": "anna@shop.se"}
    query = {"apikey": RULE_API_KEY}
    assert rule.post(V3, body, headers={}, params=query).status_code == 401
    assert rule.post(V3, body).status_code == 201


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
def test_a_wrong_key_gets_the_documented_401(rule: RuleAccount, headers: dict[str, str]) -> None:
    response = rule.get(SUBSCRIBERS, headers=headers)
    assert response.status_code == 401
    assert response.json() == {"error": "NotAuthorized"}


def test_v3_shows_both_budgets_and_v2_none(rule: RuleAccount) -> None:
    rule = RuleAccount(limits_scale=1)
    assert "requestscount-allowed" not in rule.get(SUBSCRIBERS).headers
    response = rule.post(V3, {"email": "anna@shop.se"})
    assert response.headers["RequestsCount-Allowed"] == "2000"
    assert response.headers["RequestsCount-Current"] == "2"
    assert response.headers["X-ErrorPercent-Limit"] == "49"
    assert response.headers["X-ErrorPercent-Current"] == "0"
    assert "retry-after" not in response.headers


def test_v2_can_show_the_budgets_too(rule: RuleAccount) -> None:
    rule.switch(v2_limit_headers="present")
    headers = rule.get(SUBSCRIBERS).headers
    assert headers["X-ErrorPercent-Limit"] == "49"
    assert headers["RequestsCount-Current"] == "1"


def test_beyond_the_budget_comes_plain_text_with_stockholm_wall_time() -> None:
    rule = RuleAccount(limits_scale=0.001)
    for _ in range(2):
        rule.post(V3, {"email": "anna@shop.se"})
    before = datetime.now(UTC)
    response = rule.post(V3, {"email": "anna@shop.se"})
    assert response.status_code == 429
    moment = response.headers["Retry-After"]
    assert response.text == f"Too Many Requests. You can continue at {moment}."
    assert response.headers["content-type"].startswith("text/plain")
    assert wall_time(590, before) <= moment <= wall_time(602, before)
    assert "requestscount-allowed" not in response.headers
    assert "requestscount-current" not in response.headers
    assert response.headers["X-ErrorPercent-Limit"] == "49"
    assert "X-ErrorPercent-Current" in response.headers


def test_stockholm_wall_time_matches_the_captured_sample() -> None:
    sent = datetime(2026, 5, 14, 12, 12, 16, tzinfo=UTC)
    assert wall_time(600, sent) == "2026-05-14 14:22:16"
    assert wall_time(0, datetime(2026, 1, 14, 12, 0, tzinfo=UTC)) == "2026-01-14 13:00:00"


def test_the_documented_forms_of_throttling_can_be_switched_on() -> None:
    rule = RuleAccount(limits_scale=0.0005)
    rule.switch(retry_after="seconds", throttle_body="too_many")
    rule.get(SUBSCRIBERS)
    response = rule.get(SUBSCRIBERS)
    assert response.status_code == 429
    assert response.text == "Too Many Attempts."
    assert re.fullmatch(r"\d+", response.headers["Retry-After"])


def test_more_than_49_percent_errors_block_everything(rule: RuleAccount) -> None:
    rule.switch(error_min_requests=10)
    for _ in range(5):
        assert rule.get(SUBSCRIBERS).status_code == 200
    for _ in range(4):
        assert rule.get(f"{SUBSCRIBERS}/nobody@shop.se").status_code == 404
    assert rule.get(SUBSCRIBERS).status_code == 200
    for _ in range(2):
        rule.get(f"{SUBSCRIBERS}/nobody@shop.se")
    response = rule.get(SUBSCRIBERS)
    assert response.status_code == 429
    assert response.text.startswith("Too Many Requests. You can continue at ")
    assert response.headers["Retry-After"] >= wall_time(590)


def test_below_the_least_sample_errors_do_not_block(rule: RuleAccount) -> None:
    rule.switch(error_min_requests=100)
    statuses = {rule.get(f"{SUBSCRIBERS}/nobody@shop.se").status_code for _ in range(20)}
    assert statuses == {404}


@pytest.mark.parametrize(
    ("counted", "blocks"), [("4xx and 5xx", True), ("5xx", False), ("all but 404", False)]
)
def test_which_statuses_count_as_errors(rule: RuleAccount, counted: str, blocks: bool) -> None:
    rule.switch(error_min_requests=5, errors_counted=counted)
    for _ in range(5):
        rule.get(f"{SUBSCRIBERS}/nobody@shop.se")
    assert (rule.get(SUBSCRIBERS).status_code == 429) is blocks


def test_server_errors_count_in_every_reading(rule: RuleAccount) -> None:
    for counted in ("4xx and 5xx", "5xx", "all but 404"):
        rule.switch(error_min_requests=5, errors_counted=counted)
        rule.fault(error={"status": 500})
        body = rule.get(SUBSCRIBERS).json()
        assert body["error"] == "UnexpectedError"
        for _ in range(4):
            rule.get(SUBSCRIBERS)
        rule.fault()
        assert rule.get(SUBSCRIBERS).status_code == 429


def test_a_block_and_a_window_can_be_short(rule: RuleAccount) -> None:
    rule.switch(error_min_requests=2, error_block_seconds=0, error_window_seconds=0)
    for _ in range(6):
        assert rule.get(f"{SUBSCRIBERS}/nobody@shop.se").status_code == 404
    assert rule.get(SUBSCRIBERS).status_code == 200


def test_an_ordered_throttling_is_in_wall_time_too(rule: RuleAccount) -> None:
    rule.fault(error={"status": 429, "retry_after": "5", "next": 1})
    response = rule.get(SUBSCRIBERS)
    assert response.status_code == 429
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", response.headers["Retry-After"])


@pytest.mark.parametrize(("position", "status"), [("optional", 201), ("required", 415)])
def test_v3_may_insist_on_a_charset(rule: RuleAccount, position: str, status: int) -> None:
    rule.switch(v3_charset=position)
    assert rule.post(V3, {"email": "anna@shop.se"}).status_code == status
    headers = {**rule.headers, "content-type": "application/json;charset=utf-8"}
    response = rule.call("POST", V3, content=b'{"email":"eva@shop.se"}', headers=headers)
    assert response.status_code == 201


def test_pages_hold_at_most_100_and_the_next_link_contains_the_key(rule: RuleAccount) -> None:
    rule.create(*(person(f"person{index}@shop.se") for index in range(30)))
    body = rule.get(SUBSCRIBERS, params={"limit": 20, "page": 1}).json()
    assert len(body["subscribers"]) == 20
    assert body["meta"]["next"] == (
        f"http://sandbox/rule/api/v2/subscribers?page=2&limit=20&apikey={RULE_API_KEY}"
    )
    last = rule.get(SUBSCRIBERS, params={"limit": 20, "page": 2}).json()
    assert len(last["subscribers"]) == 10
    assert last["meta"]["next"] is None
    response = rule.get(SUBSCRIBERS, params={"limit": 101})
    assert response.status_code == 400
    assert response.json() == {"error": "LimitExceed", "message": "Limit can't exceed 100."}


def test_unknown_paths_are_404(rule: RuleAccount) -> None:
    assert rule.get("/api/v2/nothing").status_code == 404
    assert rule.post("/api/v2/tags", {"name": "x"}).status_code == 405
