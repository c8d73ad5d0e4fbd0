"""Klaviyo's own SDK reads back what we wrote, and finds exactly that.

It is the vendor's view of its API: its requests pass the sandbox's check against the published
document, and its client follows the pages. https://github.com/klaviyo/klaviyo-api-python
"""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from reverse_etl_models import member, publish, run, wanted
from reverse_etl_vendors import Vendor

from reverse_etl.ledger import Ledger
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running

SECONDS = 20.0  # the SDK has no time-out of its own


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=20, limits_scale=100)) as started:
        yield started


@pytest.fixture
def vendor(sandbox: RunningSandbox) -> Iterator[Vendor]:
    found = Vendor("klaviyo", sandbox.control, sandbox.environment, [])
    for record in found.records():
        sandbox.control.call("DELETE", f"/klaviyo/profiles/{record['id']}")
    yield found
    for client in found.open_clients:
        client.close()


def read_all(vendor: Vendor, page_size: int, **filters: Any) -> dict[str, dict[str, Any]]:
    """E-mail -> properties of every profile, through the SDK, page by page."""
    from klaviyo_api import KlaviyoAPI

    sdk = KlaviyoAPI(
        vendor.environment["KLAVIYO_API_KEY"],
        test_host=vendor.environment["KLAVIYO_BASE_URL"],
        # As models, properties lose what the SDK's classes do not know.
        options={"USE_DICTIONARY_FOR_RESPONSE_DATA": True},
    )
    found: dict[str, dict[str, Any]] = {}
    cursor: dict[str, Any] = {}
    while True:
        page = sdk.Profiles.get_profiles(
            fields_profile=["email", "properties"],
            page_size=page_size,
            **filters,
            **cursor,
            _request_timeout=SECONDS,
        )
        for profile in page["data"]:
            found[profile["attributes"]["email"]] = profile["attributes"]["properties"]
        following = page["links"].get("next")
        if not following:
            return found
        # The SDK takes a whole link only over https, which the sandbox is not.
        cursor = {"page_cursor": parse_qs(urlsplit(following).query)["page[cursor]"][0]}


def test_the_official_sdk_finds_what_was_wanted_and_nothing_that_was_cleared(
    vendor: Vendor, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    before = [member(f"person{index}@shop.se", rewards=["a", "b"]) for index in range(230)]
    run(publish(tmp_path / "p.duckdb", before), ledger, vendor.destination(), "first")
    rows = [*before[:-3]]
    rows[7] = member("person7@shop.se", points=0, at_risk=False, tier="", rewards=[])
    rows[8] = member("person8@shop.se", points=None, tier=None)
    rows += [
        member(
            "full+1@shop.se",
            amount=12.5,
            at_risk=True,
            tier='Gold, "the best" – ☆',
            rewards=["$15 off", "Free shipping"],
            expires_at=datetime(2027, 1, 2, 3, 4, 5),  # noqa: DTZ001 - as the model holds it
            birthday=date(1990, 2, 3),
        )
    ]
    published = publish(tmp_path / "p.duckdb", rows)
    result = run(published, ledger, vendor.destination(), "second")
    assert (result.status, result.total("rejected")) == ("succeeded", 0)

    found = read_all(vendor, page_size=100)

    left = {row["email"]: {} for row in before[-3:]}
    assert found == {row["email"]: wanted("klaviyo", row) for row in rows} | left
    falsy = found["person7@shop.se"]
    assert falsy["Loyalty Points Balance"] == 0
    assert falsy["Loyalty Points Balance"] is not False
    assert falsy["Loyalty Tier At Risk"] is False
    assert falsy["Loyalty Tier Name"] == ""
    assert falsy["Loyalty Available Rewards"] == []
    assert "Loyalty Points Balance" not in found["person8@shop.se"]

    asked = read_all(vendor, page_size=10, filter='any(email,["full+1@shop.se","nobody@shop.se"])')
    assert asked == {"full+1@shop.se": wanted("klaviyo", rows[-1])}
