"""LOYALTY_HOME: where every file of the product lives, and which world it belongs to.

Simulated and real vendors must never meet in one folder: people of a simulated shop would reach
a real account, and a ledger written by a simulator would claim deliveries that no real vendor made.
`claim` remembers, per vendor, whether it was on this machine or not, and refuses a mix.

What lies here holds people's addresses, so it is this user's alone; only the published file is
opened to a group, by `publish`.
"""

import ipaddress
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from filelock import FileLock

from orchestration.settings import DESTINATIONS, SOURCES
from vendor_http import ConfigurationError

# Whatever this process and its children write: for this user only.
PRIVATE_UMASK = 0o077
# Others may pass through the home to the published file, as far as `publish` lets them; no more.
_PASSAGE_ONLY = 0o711


@dataclass(frozen=True)
class Home:
    """Paths under LOYALTY_HOME. Copying the folder is a full backup."""

    root: Path

    @property
    def warehouse(self) -> Path:
        """Built by dlt and dbt; for the product only."""
        return self.root / "warehouse.duckdb"

    @property
    def audited(self) -> Path:
        """The last build that passed its tests; the product's own copy, which nobody else opens."""
        return self.root / "audited.duckdb"

    @property
    def published(self) -> Path:
        """What people open: the audited tables and the record of what was sent."""
        return self.root / "published" / "loyalty.duckdb"

    @property
    def ledger(self) -> Path:
        """What was sent and accepted."""
        return self.root / "ledger.duckdb"

    @property
    def dlt(self) -> Path:
        """Working folders of the extraction pipelines."""
        return self.root / "dlt"

    def spool(self, program: str) -> Path:
        """What a programme's extraction has read and not loaded yet."""
        return self.root / "spool" / program

    def inbox(self, source: str) -> Path:
        """A vendor's webhooks as they came: waiting, loaded, malformed."""
        return self.root / "inbox" / source

    @property
    def dbt(self) -> Path:
        """dbt's target and logs."""
        return self.root / "dbt"

    @property
    def dagster(self) -> Path:
        """Dagster's storage (DAGSTER_HOME)."""
        return self.root / "dagster"

    @property
    def run_log(self) -> Path:
        """What the tools printed during the last run started by `loyalty`."""
        return self.root / "logs" / "last_run.log"

    @property
    def erasure(self) -> Path:
        """Who is being erased at the moment, and what that needs; empty otherwise."""
        return self.root / "erasure"

    @property
    def alerts(self) -> Path:
        """Incidents that go on, and who was told of them."""
        return self.root / "alerts.json"

    @property
    def sources(self) -> Path:
        """What came of each programme's last extraction."""
        return self.root / "sources"

    @property
    def tombstones(self) -> Path:
        """Hashes of those who were erased; without it the next extraction brings them back."""
        return self.root / "tombstones.json"

    @property
    def sandbox(self) -> Path:
        """State of the simulated vendors, when they are used."""
        return self.root / "sandbox"

    def lock(self, name: str) -> Path:
        """The lock file of something only one process may do at a time."""
        return self.root / "locks" / f"{name}.lock"

    @property
    def restoring(self) -> Path:
        """There while a restore is under way: what lies here is then neither old nor new."""
        return self.root / "restoring.json"

    def prepare(self) -> None:
        """Make the folders, and keep other users of this machine out, from now on and of before.

        Raises:
            ConfigurationError: the folder cannot be written, or a restore has stopped half-way.
        """
        if self.restoring.exists():
            raise ConfigurationError(
                f"A restore into {self.root} is under way or was interrupted; give the same "
                "`loyalty restore` again, it starts afresh"
            )
        os.umask(PRIVATE_UMASK)
        try:
            for folder in (self.published.parent, self.lock("x").parent, self.dlt, self.dbt):
                folder.mkdir(parents=True, exist_ok=True)
            self.dagster.mkdir(exist_ok=True)
            self._close_to_others()
        except OSError as error:
            raise ConfigurationError(
                f"LOYALTY_HOME {self.root} cannot be written ({error.strerror}); "
                "choose another folder or give this user the right to write there"
            ) from None

    def let_readers_in(self, mode: int) -> None:
        """Let those who may read the published file reach it: pass the home, list its folder.

        Args:
            mode: the rights of the published file.
        """
        reads = mode & 0o044
        passes = reads >> 2
        for folder, bits in ((self.published.parent, reads | passes), (self.root, passes)):
            kept = folder.stat().st_mode & 0o7000  # a folder's group may be inherited by its files
            folder.chmod(kept | 0o700 | bits)

    def _close_to_others(self) -> None:
        """Take away what an earlier release, or a wider umask, allowed to others."""
        for path in (self.root, *self.root.iterdir()):
            allowed = 0o700
            if path == self.root:
                allowed = _PASSAGE_ONLY
            elif path == self.published.parent:
                allowed = 0o755
            with suppress(FileNotFoundError, PermissionError):  # gone meanwhile, or not ours
                mode = path.stat().st_mode & 0o777
                if mode & ~allowed:
                    path.chmod(mode & allowed)


def is_simulated(base_url: str) -> bool:
    """Whether an address is on this machine, as simulators are."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def claim(home: Home, vendor: str, base_url: str) -> None:
    """Remember that `vendor` is used from this home, simulated or real; refuse a mix.

    Raises:
        ConfigurationError: this home already holds the other world's data of that vendor, or a
            simulated source would feed a real destination.
    """
    file = home.root / "vendors.json"
    with FileLock(home.lock("vendors")):
        known: dict[str, str] = orjson.loads(file.read_bytes()) if file.exists() else {}
        world = "simulated" if is_simulated(base_url) else "real"
        _refuse_mix(home, {**known, vendor: world}, vendor, known.get(vendor, world))
        if known.get(vendor) != world:
            temporary = file.with_suffix(".new")
            temporary.write_bytes(orjson.dumps({**known, vendor: world}))
            temporary.replace(file)


def _refuse_mix(home: Home, worlds: dict[str, str], vendor: str, before: str) -> None:
    remedy = "Set LOYALTY_HOME to another folder, or delete this one if it only held a trial"
    if before != worlds[vendor]:
        raise ConfigurationError(
            f"{home.root} holds data of a {before} {vendor}, but {vendor.upper()}_BASE_URL is now "
            f"a {worlds[vendor]} one. {remedy}"
        )
    for source in SOURCES:
        for destination in DESTINATIONS:
            if (worlds.get(source), worlds.get(destination)) == ("simulated", "real"):
                raise ConfigurationError(
                    f"{home.root} holds people of a simulated {source}; they would be sent to the "
                    f"real {destination}. {remedy}"
                )
