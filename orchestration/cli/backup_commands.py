"""Commands about what is kept: take a backup, put it back, end what was kept long enough."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.base import app, console, open_home
from orchestration.home import Home
from orchestration.settings import load_settings
from vendor_http import LoyaltyError

if TYPE_CHECKING:
    from orchestration.archive import Contents
    from orchestration.restore import Restored

_PANEL = "Around it"
_MEGA = 1e6


@app.command(rich_help_panel=_PANEL)
def backup(
    folder: Annotated[Path, typer.Argument(help="where the archive goes, on another disk")],
    keep: Annotated[
        int | None,
        typer.Option(help="delete all but so many of the newest archives", min=1),
    ] = None,
) -> None:
    """Write everything that cannot be made anew into one archive; runs may go on meanwhile."""
    from orchestration.backup import back_up

    settings, home = open_home()
    done = back_up(home, folder.expanduser().absolute(), _say, keep)
    _say(f"{done.path}: {done.files:,} files, {done.size_bytes / _MEGA:,.1f} MB")
    for path in done.deleted:
        _say(f"deleted {path.name}")
    _say("not in it: keys and sign-ins (environment, key store); keep them apart")
    if settings.dagster_postgres_url is not None:
        _say("not in it: Dagster's runs, which are in PostgreSQL; back that up with pg_dump")


@app.command(rich_help_panel=_PANEL)
def restore(
    archive: Annotated[Path, typer.Argument(help="what `loyalty backup` wrote")],
    force: Annotated[
        bool, typer.Option("--force", help="move what LOYALTY_HOME holds aside, into it")
    ] = False,
    keep_ledger: Annotated[
        bool,
        typer.Option(
            "--keep-ledger", help="keep the ledger that is here: it knows what vendors hold"
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="only look whether the archive is whole")
    ] = False,
) -> None:
    """Put a backup back into LOYALTY_HOME, after checking every byte of it."""
    from orchestration import restore as restoring
    from orchestration.archive import check as checking

    archive = archive.expanduser().absolute()
    if not archive.is_file():
        raise LoyaltyError(f"{archive} is no file")
    settings = load_settings()
    home = Home(settings.home)
    if check:
        import tempfile

        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".loyalty-staging-") as folder:
            _tell(checking(archive, Path(folder), _say))
        _say("the archive is whole; nothing was restored")
        return
    done = restoring.restore(
        archive,
        home,
        _say,
        published_mode=int(settings.published_mode, 8),
        force=force,
        keep_ledger=keep_ledger,
    )
    _erase_again(done)
    _tell(done.contents)
    if done.replaced:
        _say(f"what was here before: {done.replaced}; delete it when you need it no more")
    for line in next_steps(keep_ledger=keep_ledger):
        _say(line)


@app.command(rich_help_panel=_PANEL)
def retention() -> None:
    """Delete what was kept long enough, as the nightly job of `loyalty serve` does."""
    import dagster as dg

    from orchestration.dagster_home import prepare_dagster
    from orchestration.retention import enforce

    settings, home = open_home()
    prepare_dagster(home, settings)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        gone = enforce(settings, home, instance, datetime.now(UTC), _say)
    if not any(gone.values()):
        _say("nothing is older than the settings allow")


def next_steps(*, keep_ledger: bool) -> list[str]:
    """What to do after a restore, in order: the commands of docs/runbooks/task-restore.md."""
    steps = ["next, in this order; nothing is sent by these:"]
    steps += [f"  loyalty {each}" for each in ("doctor", "extract", "build", "publish", "plan")]
    if keep_ledger:
        return [*steps, "then, with the ledger as it was here:", "  loyalty sync"]
    return [
        *steps,
        "then: the vendors hold what was sent after this backup, and its ledger does not know. A "
        "sync alone leaves alone what the tables say as before it; reading everybody back finds "
        "the rest:",
        "  RULE_EVENTS=off loyalty sync --approve",
        "  loyalty reconcile --all --repair",
        "  loyalty reconcile --all",
        "(RULE_EVENTS=off, for Rule would start automations again for events of the days between; "
        "Klaviyo drops what comes again under its id)",
    ]


def _erase_again(done: "Restored") -> None:
    if not done.newer_tombstones:
        return
    from orchestration.erased_again import erase_again
    from orchestration.programs import clock

    settings, home = open_home()
    erased = erase_again(settings, home, clock(settings, datetime.now(UTC))(), _say)
    _say(f"{done.newer_tombstones:,} people were erased since the backup; {erased:,} were in it")


def _tell(contents: "Contents") -> None:
    _say(
        f"backup of {contents.made_at:%Y-%m-%d %H:%M} UTC by release {contents.product}: "
        f"{contents.files:,} files, {contents.size_bytes / _MEGA:,.1f} MB, all as backed up"
    )
    for name, tables in contents.tables.items():
        _say(f"  {name}: opens, {tables:,} tables")


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
