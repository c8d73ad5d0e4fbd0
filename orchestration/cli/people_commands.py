"""Commands about one person: where the values come from, and erasure."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.base import app, console, known, open_home
from vendor_http import LoyaltyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.erasure import Forgotten
    from orchestration.home import Home

_PANEL = "People"
_TABLES_SHOWN = 4


@app.command(rich_help_panel=_PANEL)
def why(
    email: Annotated[str, typer.Argument(help="of the person, in any spelling")],
    as_json: Annotated[bool, typer.Option("--json", help="everything, for programs")] = False,
) -> None:
    """Show one person's way: source rows, eligibility, payload, and each vendor's answer."""
    from orchestration.cli import person_page
    from orchestration.person import find_person
    from orchestration.person_delivery import deliveries
    from orchestration.programs import clock

    settings, home = open_home()
    person = find_person(home, email)
    found = deliveries(person.email, settings, home, clock(settings, datetime.now(UTC))())
    is_known = person.memberships or person.sources or any(each.ledger for each in found)
    if not is_known:
        raise LoyaltyError(f"{person.email} {person.hint}")
    if as_json:
        typer.echo(person_page.as_json(person, found))
    else:
        person_page.show(console, person, found)


@app.command(rich_help_panel=_PANEL)
def forget(
    email: Annotated[
        str | None, typer.Argument(help="of the person, in any spelling", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    delete_at_vendors: Annotated[
        bool,
        typer.Option(
            "--delete-at-vendors",
            help="have Klaviyo and Rule delete their profiles as well; cannot be undone there",
        ),
    ] = False,
    leave_at: Annotated[
        list[str] | None,
        typer.Option("--leave-at", help="destination that is not touched (klaviyo, rule)"),
    ] = None,
    list_them: Annotated[
        bool, typer.Option("--list", help="how many were erased, and when")
    ] = False,
) -> None:
    """Erase a person here, clear them at Klaviyo and Rule, and keep them from coming back."""
    settings, home = open_home()
    if list_them:
        _list(home)
        return
    if email is None or "@" not in email:
        raise LoyaltyError("Give the e-mail of the person to erase, or --list")
    left_at = known(leave_at, ("klaviyo", "rule")) if leave_at else []
    if not yes:
        typer.confirm(
            f"Erase {email} from {home.root} and clear our properties at the vendors? "
            "This cannot be undone.",
            abort=True,
        )
    from orchestration import erasure
    from orchestration.programs import clock

    done = erasure.forget(
        email,
        settings,
        home,
        clock(settings, datetime.now(UTC))(),
        lambda line: console.print(f"[dim]{line}[/]", highlight=False),
        delete_at_vendors=delete_at_vendors,
        leave_at=left_at,
    )
    _tell(done, delete_at_vendors=delete_at_vendors)


def _list(home: "Home") -> None:
    from orchestration.tombstones import Tombstones

    stones = Tombstones.read(home).stones
    console.print(f"{len(stones)} erased", highlight=False)
    for stone in stones:
        state = "" if stone.is_finished else "  [yellow]not finished: give the command again[/]"
        console.print(f"  {stone.name}  {stone.erased_at[:10]}{state}", highlight=False)


def _tell(done: "Forgotten", *, delete_at_vendors: bool) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    for vendor in done.vendors:
        tags = sum(name.startswith("tag:") for name in vendor.cleared)
        say(
            f"{vendor.destination}: {len(vendor.cleared) - tags} properties cleared, {tags} tags "
            f"removed; profile: {vendor.profile}"
        )
        if vendor.kept:
            say(f"  not ours to clear, still there: {', '.join(vendor.kept)}")
    for place, counts in done.places.items():
        say(f"{place}: {sum(counts.values()):,} rows in {_tables(counts)}")
    if not done.places:
        say("nothing was known of this person here")
    say(f"erased; a hash ({done.name}) keeps the person out of every extraction from now on")
    if not delete_at_vendors:
        say(
            "Klaviyo and Rule keep their own profile, for the shop may have other reasons to hold "
            "it; --delete-at-vendors has them delete it"
        )
    say("Erase at Smile.io or Yotpo too, and in backups and copies of the published file")


def _tables(counts: "Mapping[str, int]") -> str:
    """The tables with most rows, and how many others."""
    most = sorted(counts.items(), key=lambda each: -each[1])[:_TABLES_SHOWN]
    named = ", ".join(f"{name} ({rows:,})" for name, rows in most)
    others = len(counts) - len(most)
    return f"{named} and {others} more tables" if others else named
