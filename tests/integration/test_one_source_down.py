"""Smile answers 503 to everything: Yotpo flows, Smile's people are held back, the run is red."""

from datetime import datetime

import pytest

from tests.integration.conftest import Shop

pytestmark = pytest.mark.slow  # whole runs, one after the other
TOO_OLD = "held back, for their programme was last read too long ago"


def synced_at(shop: Shop, program: str) -> dict[str, object]:
    """What Klaviyo shows as the last sync of people who are in one programme only."""
    held = shop.sandbox.control.call("GET", "/klaviyo/profiles")
    properties = {entry["email"]: entry["properties"] for entry in held}
    people = shop.ask(
        "select email from marts.dim_members where email is not null and not is_deleted "
        "group by email having list_distinct(list(program)) = [?]",
        program,
    )
    return {e: properties[e].get("Loyalty Synced At") for (e,) in people if e in properties}


def read_at(shop: Shop, program: str) -> datetime:
    ((at,),) = shop.ask("select read_at from marts.audit_sources where program = ?", program)
    return at  # type: ignore[no-any-return]


def test_the_other_programme_flows_and_the_run_says_who_is_held_back(shop: Shop) -> None:
    before = {program: synced_at(shop, program) for program in ("smile", "yotpo")}
    read_before = read_at(shop, "smile")
    shop.day_passes()
    shop.day_passes()
    shop.sandbox.control.faults("smile", error={"status": 503})
    done = shop.loyalty("run", check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, "a source that failed makes a red run"
    assert "smile was not read" in said
    assert "people are held back" in said
    assert read_at(shop, "smile") == read_before
    assert read_at(shop, "yotpo") > read_before
    assert synced_at(shop, "smile") == before["smile"], "nothing stale was written"
    assert synced_at(shop, "yotpo") != before["yotpo"], "the other programme was"
    assert TOO_OLD in " ".join(shop.loyalty("plan").stdout.split())

    shop.sandbox.control.faults("smile")
    shop.loyalty("run")
    assert read_at(shop, "smile") > read_before
    assert synced_at(shop, "smile") != before["smile"], "what was held back is made up for"
    assert TOO_OLD not in " ".join(shop.loyalty("plan").stdout.split())


def test_parts_of_a_refresh_are_safe_in_any_order(shop: Shop) -> None:
    published = shop.home / "published" / "loyalty.duckdb"
    shop.sandbox.control.reset_requests()
    for part in (("extract", "yotpo"), ("extract", "yotpo"), ("publish",), ("sync",), ("build",)):
        shop.loyalty(*part)
        assert shop.ask("select count(*) from marts.dim_members")[0][0] > 0, part
        assert not list(published.parent.glob(".*.new")), part
    assert shop.writes() == 0, "nothing happened in the shop"
