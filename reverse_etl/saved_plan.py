"""A plan that somebody looked at, kept as a file, so that a sync applies that plan or nothing.

The file holds counts and fingerprints, no person: a sync makes its plan anew and sends it only if
the data, the declaration, the ledger and the planned rows are the ones that were looked at.
Owns the file and the comparison. Fingerprints are DuckDB hashes and hold for one DuckDB version.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from reverse_etl.declarations import CREATE_COLUMN, SyncSpec
from reverse_etl.guards import Finding
from reverse_etl.payloads import literal
from reverse_etl.planned import Plan
from vendor_http import LoyaltyError

_FORMAT = "loyalty-plan/1"
_WHY = {
    "mapping": "the declaration of the sync, its settings or the program's version changed",
    "data": "the published tables are no longer the same",
    "ledger": "something was sent, answered or released since",
    "rows": "the planned rows came out differently",
}


class PlanChangedError(LoyaltyError):
    """The saved plan is not what a sync would do now; nothing was sent."""


@dataclass(frozen=True)
class SavedPlan:
    """One destination's plan as it was looked at.

    `counts`: rows per operation and the rest, as printed; `guards`: objections that were shown.
    """

    destination: str
    made_at: datetime
    counts: Mapping[str, int]
    guards: tuple[str, ...]
    fingerprint: Mapping[str, str]

    def compare(self, plan: Plan) -> PlanChangedError | None:
        """None if `plan` is this one, else an error that says what changed."""
        changed = [
            why
            for part, why in _WHY.items()
            if self.fingerprint.get(part) != plan.fingerprint.get(part)
        ]
        if not changed:
            return None
        return PlanChangedError(
            f"{self.destination}: the plan of {self.made_at:%Y-%m-%d %H:%M} UTC no longer "
            f"holds: {changed[0]}. Nothing was sent. Look at a new one: `loyalty plan --save`"
        )


def save(path: Path, plans: Mapping[str, tuple[Plan, tuple[Finding, ...]]]) -> None:
    """Write the plans of some destinations to one file; replaces it."""
    body = {
        "format": _FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "destinations": {
            name: {
                "counts": plan.counts,
                "guards": [str(finding) for finding in findings],
                "fingerprint": dict(plan.fingerprint),
            }
            for name, (plan, findings) in plans.items()
        },
    }
    path.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")


def load(path: Path) -> dict[str, SavedPlan]:
    """The plans of a file, by destination.

    Raises:
        LoyaltyError: the file is missing or is no saved plan.
    """
    try:
        body: Any = orjson.loads(path.read_bytes())
        if body["format"] != _FORMAT:
            raise KeyError("format")  # noqa: TRY301 - told below, like every unfit file
        made_at = datetime.fromisoformat(body["made_at"])
        return {
            name: SavedPlan(
                name,
                made_at,
                dict(plan["counts"]),
                tuple(plan["guards"]),
                {part: str(plan["fingerprint"][part]) for part in _WHY},
            )
            for name, plan in body["destinations"].items()
        }
    except FileNotFoundError:
        raise LoyaltyError(f"There is no plan {path}; make one: `loyalty plan --save`") from None
    except (KeyError, TypeError, ValueError, AttributeError, OSError):
        raise LoyaltyError(f"{path} is no plan that `loyalty plan --save` wrote") from None


def fingerprint(connection: duckdb.DuckDBPyConnection, spec: SyncSpec) -> dict[str, str]:
    """What the plan in `connection` rests on; with `published` and `ledger` attached.

    Returns:
        data, mapping and ledger: the inputs; rows: what was planned.
    """
    mine = f"destination = {literal(spec.destination)} and object = {literal(spec.object_name)}"
    columns = [spec.key, CREATE_COLUMN, *(item.column for item in spec.properties)]
    if spec.tags_column:
        columns.append(spec.tags_column)
    names = ", ".join(f'"{column}"' for column in columns)
    ledger = _hash(
        connection,
        f"select email, state, accepted, payload_hash, attempt_count, quarantined_at, null "
        f"from ledger.profiles where {mine} union all "
        f"select email, state, patch, payload_hash, attempt_count, null, job_id "
        f"from ledger.deliveries where {mine}",
    )
    return {
        "data": _hash(connection, f"select {names} from published.{spec.relation}"),
        "mapping": _mapping(spec),
        "ledger": ledger,
        "rows": _hash(
            connection,
            "select email, operation, patch, body, lane, tags_add, tags_remove, reason_code "
            "from planned where operation <> 'unchanged'",
        ),
    }


def _hash(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """Count and hash of a query's rows, whatever their order."""
    found = connection.execute(
        f"select count(*), coalesce(sum(hash(picked)), 0) from ({query}) as picked"
    ).fetchone()
    rows, total = found or (0, 0)
    return f"{rows}:{int(total) % 2**64:016x}"


def _mapping(spec: SyncSpec) -> str:
    declared = {**asdict(spec), "duckdb": duckdb.__version__}
    # Sets have no order of their own.
    text = orjson.dumps(declared, default=sorted, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]
