"""How v2 shows that a person is blocked: that is not documented, so every way is possible."""

import pytest
from rule_account import SUBSCRIBERS, RuleAccount


@pytest.mark.parametrize("shown", ["hidden", "shown"])
@pytest.mark.parametrize("blocked", ["true", "false"])
def test_a_blocked_person_is_told_by_status_by_opted_in_or_not_at_all(
    shown: str, blocked: str
) -> None:
    rule = RuleAccount()
    rule.switch(v2_status=shown)
    rule.switch(blocked_opted_in=blocked)
    rule.seed("anna@shop.se")
    rule.seed("eva@shop.se", status="BLOCKED")
    for email, status in (("anna@shop.se", "ACTIVE"), ("eva@shop.se", "BLOCKED")):
        found = rule.get(f"{SUBSCRIBERS}/{email}").json()["subscriber"]
        assert found.get("status") == (status if shown == "shown" else None)
        assert found["opted_in"] is (status == "ACTIVE" or blocked == "true")
