"""One contestant of the speed comparison, once: `python -m benchmarks.extract.contestants`.

Each first does the same for the few earning rules, unmeasured, so that the figures are of reading
and loading and not of importing. dlt's default is its `rest_api` source with nothing configured but
the endpoint, the paginator, the key and the write disposition.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MEASURED, _WARM_UP = "points_transactions", "earning_rules"
_TRANSACTION = (
    "struct(id bigint, customer_id bigint, points_change bigint, description varchar, "
    "internal_note varchar, created_at timestamp, updated_at timestamp)"
)


def main() -> None:
    """Run one contestant and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contestant", choices=list(CONTESTANTS), required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--pages", type=Path, required=True, help="file, a page a line")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for table in (_WARM_UP, MEASURED):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            figures = CONTESTANTS[options.contestant](options, table, Path(folder))
            figures.setdefault("seconds", time.perf_counter() - began)
    print(json.dumps(figures))


def ours(options: argparse.Namespace, table: str, folder: Path) -> dict[str, Any]:
    """The product's own path, with one listing of its source."""
    from benchmarks.extract import product
    from dlt_sources import smile

    with smile.client(options.key, options.base_url, product.UNLIMITED_PER_SECOND) as client:
        done = product.run(
            lambda history: product.only(smile.smile_source(client, history=history), table), folder
        )
    return {"rows": done.rows[table], "steps": done.seconds}


def dlt_default(options: argparse.Namespace, table: str, folder: Path) -> dict[str, Any]:
    """dlt's declarative REST source as its documentation starts it."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder)}
    import dlt
    import duckdb
    from dlt.sources.rest_api import rest_api_source

    began = time.perf_counter()
    source = rest_api_source(
        {
            "client": {
                "base_url": options.base_url,
                "auth": {"type": "bearer", "token": options.key},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "metadata.next_cursor",
                    "cursor_param": "cursor",
                },
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [{"name": table, "endpoint": {"path": table, "params": {"limit": 250}}}],
        }
    )
    file = folder / "default.duckdb"
    pipeline = dlt.pipeline(
        "default", destination=dlt.destinations.duckdb(str(file)), dataset_name="raw"
    )
    pipeline.run(source)
    seconds = time.perf_counter() - began
    with duckdb.connect(str(file)) as connection:
        ((rows,),) = connection.execute(f"select count(*) from raw.{table}").fetchall()
    return {"rows": rows, "seconds": seconds}


def http(options: argparse.Namespace, table: str, _folder: Path) -> dict[str, Any]:
    """The pages alone: fetched, parsed, thrown away."""
    from benchmarks.extract import product
    from dlt_sources import smile
    from dlt_sources.paging import pages

    (listing,) = [each for each in smile.RESOURCES if each.table.name == table]
    with smile.client(options.key, options.base_url, product.UNLIMITED_PER_SECOND) as client:
        return {"rows": sum(len(page.records) for page in pages(client, listing, {}))}


def duckdb_pages(options: argparse.Namespace, table: str, folder: Path) -> dict[str, Any]:
    """DuckDB alone, over pages that somebody else fetched and wrote to a file, one a line."""
    import duckdb

    if table != MEASURED:
        return {"rows": 0}
    query = f"""
        create table {table} as
        select unnest({table}, recursive := true)
        from read_json(
            '{options.pages}', format = 'newline_delimited',
            columns = {{ {table}: '{_TRANSACTION}[]' }}
        )
    """
    with duckdb.connect(str(folder / "pages.duckdb")) as connection:
        ((rows,),) = connection.execute(query).fetchall()
    return {"rows": rows}


CONTESTANTS: Mapping[str, Callable[[argparse.Namespace, str, Path], dict[str, Any]]] = {
    "ours": ours,
    "dlt_default": dlt_default,
    "http": http,
    "duckdb_pages": duckdb_pages,
}

if __name__ == "__main__":
    main()
