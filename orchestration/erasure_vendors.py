"""The first step of an erasure: everything of ours that a vendor holds of one person is cleared.

By the ordinary machinery: a plan that wants nothing for this person, over a ledger that knows
nobody else, sent by the engine. The real ledger is only read, so that a process that dies in here
repeats harmlessly. The vendor's own profile stays unless its deletion is asked for by name.
"""

import shutil
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from orchestration.accounts import connect
from orchestration.activate import SYNCS, DeclaredSync
from orchestration.dbt import read_manifest
from orchestration.erasure_events import left_by_events
from orchestration.excerpt import excerpt
from orchestration.home import Home, claim
from orchestration.settings import Settings, key_name
from reverse_etl import engine
from reverse_etl.declarations import sync_spec
from reverse_etl.destinations.base import Destination
from reverse_etl.destinations.deletion import DELETIONS
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger_erasure import held_names, is_under_way, lend, lend_names, refusals
from reverse_etl.plan import plan_sync
from vendor_http import ApiClient, LoyaltyError

_FAMILIES = frozenset({"common", "vendor"})
_AGAIN = "Nothing was erased here yet; give the same command again"


@dataclass(frozen=True)
class AtVendor:
    """What became of the person at one vendor.

    Attributes:
        cleared: properties and tags (`tag:<tag>`) that the vendor accepted to be without.
        kept: properties that are never cleared, by their declaration.
        profile: what happened to the vendor's own profile, in words.
    """

    destination: str
    cleared: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    profile: str = "left as it is"


def clear_at_vendors(
    emails: Collection[str],
    settings: Settings,
    home: Home,
    ledger: Ledger,
    now: datetime,
    *,
    delete: bool = False,
    leave_at: Collection[str] = (),
    say: Callable[[str], None],
) -> list[AtVendor]:
    """Clear the person at every destination; the caller holds each destination's ledger scope.

    Args:
        delete: also ask each vendor to delete its profile.
        leave_at: destinations that are not touched, whatever they hold.

    Raises:
        LoyaltyError: a vendor could not be reached or refused; nothing was erased here.
    """
    done = []
    for sync in SYNCS:
        if sync.destination in leave_at:
            done.append(AtVendor(sync.destination, profile="left out, as asked"))
            continue
        say(f"clearing at {sync.destination}")
        done.append(_clear(sync, emails, settings, home, ledger, now, delete=delete))
    return done


def _clear(
    sync: DeclaredSync,
    emails: Collection[str],
    settings: Settings,
    home: Home,
    ledger: Ledger,
    now: datetime,
    *,
    delete: bool,
) -> AtVendor:
    name, scope = sync.destination, Scope(sync.destination, sync.object_name)
    connected = connect(name, settings)
    if connected is None:
        return _without_account(name, scope, emails, ledger, delete=delete)
    client, destination = connected
    with client:
        claim(home, name, settings.base_url(name))
        try:
            _settle(destination, ledger, scope, emails, now)
            before, after = set(held_names(ledger, scope, emails)), set[str]()
            if before:
                told = left_by_events(name, emails, home)
                after = _clear_held(sync, emails, settings, home, ledger, destination, now, told)
                before |= told
            profile = _delete(client, name, emails) if delete else AtVendor.profile
        except LoyaltyError as error:
            raise LoyaltyError(f"{name}: {error}. {_AGAIN}") from None
    return AtVendor(name, tuple(sorted(before - after)), tuple(sorted(after)), profile)


def _settle(
    destination: Destination, ledger: Ledger, scope: Scope, emails: Collection[str], now: datetime
) -> None:
    engine.settle_jobs(destination, ledger, now)
    if is_under_way(ledger, scope, emails):
        raise LoyaltyError("a job of an earlier sync still carries this person")


def _without_account(
    name: str, scope: Scope, emails: Collection[str], ledger: Ledger, *, delete: bool
) -> AtVendor:
    if delete or held_names(ledger, scope, emails):
        raise LoyaltyError(
            f"{name} holds data of this person, and {key_name(name)} is not set. Set it, or leave "
            f"{name} out with --leave-at {name} and clear it there by hand. {_AGAIN}"
        )
    return AtVendor(name, profile="not connected")


def _clear_held(
    sync: DeclaredSync,
    emails: Collection[str],
    settings: Settings,
    home: Home,
    ledger: Ledger,
    destination: Destination,
    now: datetime,
    told: Collection[str],
) -> set[str]:
    """Send the clears, of what events `told` too; what is held after them by declaration."""
    scope = Scope(sync.destination, sync.object_name)
    declared = sync_spec(read_manifest(home), sync.model, _FAMILIES)
    spec = replace(declared, clears=settings.clears(sync.destination))
    folder = home.erasure / sync.destination
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        lent = Ledger(folder / "ledger.duckdb")
        lend(ledger, lent, scope, emails, to_clear=True)
        kept = {each.name for each in declared.properties}  # says how it is cleared, if at all
        lend_names(lent, set(told) - kept)
        wanted = excerpt(home.audited, folder / "wanted.duckdb", spec, None)
        with plan_sync(wanted, lent, spec, now, uuid.uuid4().hex) as plan:
            result = engine.run_sync(plan, destination, lent)
        if result.total("accepted") != result.total("planned"):
            why = ", ".join(refusals(lent, scope)) or result.stopped or result.status
            raise LoyaltyError(f"not cleared ({why.replace('_', ' ')})")
        return set(held_names(lent, scope, emails))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _delete(client: ApiClient, name: str, emails: Collection[str]) -> str:
    said = [DELETIONS[name](client, email) for email in sorted(emails)]
    return ", ".join(dict.fromkeys(said))
