"""An older backup put back under way: whole runs, so `make soak` does it."""

import re
from typing import Any

import pytest

from orchestration.cli.backup_commands import next_steps
from orchestration.home import Home
from tests.integration.conftest import ROOT, Shop, files_with

pytestmark = pytest.mark.timeout(1800)
RUNBOOK = ROOT / "docs" / "runbooks" / "task-restore.md"


def klaviyo(shop: Shop) -> dict[str, dict[str, Any]]:
    held = shop.sandbox.control.call("GET", "/klaviyo/profiles")
    return {entry["email"]: entry["properties"] for entry in held}


@pytest.fixture(scope="module")
def restored(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An older backup put back after a day of deliveries and an erasure; who was erased."""
    folder = tmp_path_factory.mktemp("backups")
    shop.loyalty("backup", str(folder))
    [archive] = folder.iterdir()
    shop.day_passes()
    shop.loyalty("run", "--brief")
    [(erased,)] = shop.ask(
        "select email from marts.dim_members where email is not null and membership = 'member' "
        "order by email limit 1"
    )
    shop.loyalty("forget", str(erased), "--yes")
    before = klaviyo(shop)
    refused = shop.loyalty("restore", str(archive), check=False)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    told = shop.loyalty("restore", str(archive), "--force")
    assert "1 people were erased since the backup" in told.stdout
    assert "loyalty reconcile --all --repair" in told.stdout
    assert str(erased) not in told.stdout + told.stderr
    assert klaviyo(shop) == before, "a restore writes nothing to a vendor"
    return str(erased)


@pytest.mark.slow
def test_who_was_erased_after_the_backup_is_in_no_file_of_what_was_restored(
    shop: Shop, restored: str
) -> None:
    assert files_with(Home(shop.home), restored) == []


def commands_after(*, keep_ledger: bool) -> list[str]:
    """What the runbook says to type after a restore, with the archive's ledger or this one."""
    steps = re.split(r"^\d\. ", RUNBOOK.read_text(), flags=re.MULTILINE)
    always = fenced(next(step for step in steps if step.startswith("Read what has happened")))
    if keep_ledger:
        kept = next(step for step in steps if step.startswith("With the present ledger"))
        return [*always, *re.findall(r"`(loyalty [^`]+)`", kept)]
    return [*always, *fenced(next(s for s in steps if s.startswith("With the archive's ledger")))]


def fenced(text: str) -> list[str]:
    """Commands of the fenced blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("keep_ledger", [True, False])
def test_a_restore_prints_the_commands_of_its_runbook(keep_ledger: bool) -> None:
    shown = [line.strip() for line in next_steps(keep_ledger=keep_ledger) if line.startswith("  ")]
    assert shown == commands_after(keep_ledger=keep_ledger)
    assert len(shown) > 5


@pytest.mark.slow
def test_after_an_older_backup_the_vendors_still_end_as_the_tables_say(
    shop: Shop, restored: str
) -> None:
    shop.day_passes()
    for command in commands_after(keep_ledger=False):
        settings, _, arguments = command.partition("loyalty ")
        shop.loyalty(*arguments.split(), **dict(pair.split("=") for pair in settings.split()))
    assert_vendors_hold_the_tables(shop)
    assert not any((klaviyo(shop).get(restored) or {}).values())
    shop.sandbox.control.reset_requests()
    shop.loyalty("sync")
    assert shop.writes() == 0


def assert_vendors_hold_the_tables(shop: Shop) -> None:
    """Every person's balance and state, as published, at Klaviyo; and read back by ourselves."""
    held = klaviyo(shop)
    wanted = shop.ask(
        "select email, loyalty_points_balance, loyalty_unused_coupons_count "
        "from activation.sync_klaviyo__profiles where loyalty_points_balance is not null"
    )
    assert len(wanted) > 50
    wrong = [
        email
        for email, balance, coupons in wanted
        if held[email].get("Loyalty Points Balance") != balance
        or held[email].get("Loyalty Unused Coupons Count") != coupons
    ]
    assert wrong == []
    done = shop.loyalty("reconcile", "--all")
    assert done.stdout.count("100.00 % as accepted") == 2, done.stdout
