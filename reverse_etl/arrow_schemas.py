"""The columns in which rows reach the ledger."""

import pyarrow as pa

_TEXT: pa.DataType = pa.string()
_COUNT: pa.DataType = pa.int32()
DELIVERY_SCHEMA = pa.schema(
    [
        pa.field("email", _TEXT),
        pa.field("operation", _TEXT),
        pa.field("patch", _TEXT),
        pa.field("payload_hash", _TEXT),
        pa.field("attempt_count", _COUNT),
    ]
)
OUTCOME_SCHEMA = pa.schema(
    [pa.field(name, _TEXT) for name in ("email", "state", "reason_code", "reason")]
)
PART_SCHEMA = pa.schema([pa.field("email", _TEXT), pa.field("left_members", pa.list_(_TEXT))])
