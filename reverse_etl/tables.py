"""Rows as Arrow tables: how they reach the ledger."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from reverse_etl.arrow_schemas import DELIVERY_SCHEMA, OUTCOME_SCHEMA, PART_SCHEMA
from reverse_etl.destinations.base import Outcome, PartlyAccepted
from reverse_etl.planned import PlannedRow


def delivery_table(rows: Iterable[PlannedRow]) -> pa.Table:
    """What is about to leave."""
    picked = [(r.email, r.operation, r.patch, r.payload_hash, r.attempt_count) for r in rows]
    return _table(picked, DELIVERY_SCHEMA)


def outcome_table(outcomes: Iterable[Outcome]) -> pa.Table:
    """What became of it."""
    return _table([(o.email, o.state, o.reason_code, o.reason) for o in outcomes], OUTCOME_SCHEMA)


def part_table(event: PartlyAccepted) -> pa.Table:
    """What is accepted but for some members."""
    return _table(list(event.left_members.items()), PART_SCHEMA)


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
