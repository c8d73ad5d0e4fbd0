"""The marketers' dictionary: every property we write, in words, with an example.

Read from the sync models' yml (description, and `meta` of each column), which is the one place
where a property is named. Published as `activation.dictionary` and, by `make docs`, as
docs/reference/properties.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import duckdb

SCHEMA, TABLE = "activation", "dictionary"
MEANING = "One row per destination, object and property that is written there: the data dictionary."
WORDS: Mapping[str, str] = {
    "destination": "klaviyo or rule.",
    "object": "What carries it there: profiles (Klaviyo) or subscribers (Rule).",
    "property": "Its name at the destination: a promise, segments and flows are built on it.",
    "column": "Column of the model in schema activation that holds the values.",
    "type": "Type at the destination.",
    "family": "common (the same names whichever programme a person is in) or vendor (named as the "
    "vendor's own integration names it).",
    "meaning": "What the value says, and when there is none.",
    "example": "A value as it arrives.",
    "changes": "When the value changes.",
}


@dataclass(frozen=True)
class Entry:
    """One property; attributes as in `WORDS`, all of them filled."""

    destination: str
    object: str
    property: str
    column: str
    type: str
    family: str
    meaning: str
    example: str
    changes: str


def entries(manifest: Mapping[str, Any]) -> list[Entry]:
    """Every property of every declared sync, in the order of the yml.

    Args:
        manifest: dbt's manifest.json, parsed.

    Raises:
        KeyError: a column's `meta` lacks a part; a test of the manifest says so first.
    """
    found = []
    for node in manifest["nodes"].values():
        sync = node["config"].get("meta", {}).get("sync")
        if node["resource_type"] != "model" or not sync:
            continue
        for name, column in node["columns"].items():
            meta = column["config"]["meta"]
            if not meta:  # a key, which is no property
                continue
            found.append(
                Entry(
                    destination=sync["destination"],
                    object=sync["object"],
                    property=meta.get("property") or meta.get("field") or name,
                    column=name,
                    type=meta.get("type", "tags"),
                    family=meta.get("family", "common"),
                    meaning=" ".join(column["description"].split()),
                    example=meta["example"],
                    changes=meta["changes"],
                )
            )
    return sorted(found, key=lambda entry: entry.destination)


def in_one_text(column: Mapping[str, Any]) -> str:
    """A manifest's column in words: its description and, of a property, example and changes."""
    text = " ".join(column["description"].split())
    meta = column.get("config", {}).get("meta", {})
    if "example" not in meta:
        return text
    return f"{text} For instance {meta['example']}. Changes {meta['changes']}."


def write_dictionary(connection: duckdb.DuckDBPyConnection, found: Sequence[Entry]) -> None:
    """Make `activation.dictionary` in a database that is open for writing."""
    columns = ", ".join(f'"{field.name}" varchar not null' for field in fields(Entry))
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(f"create or replace table {SCHEMA}.{TABLE} ({columns})")
    marks = ", ".join("?" for _ in fields(Entry))
    for entry in found:
        connection.execute(f"insert into {SCHEMA}.{TABLE} values ({marks})", list(astuple(entry)))
    connection.execute(f"comment on table {SCHEMA}.{TABLE} is {_text(MEANING)}")
    for name, meaning in WORDS.items():
        connection.execute(f'comment on column {SCHEMA}.{TABLE}."{name}" is {_text(meaning)}')


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
