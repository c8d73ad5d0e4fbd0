"""Extraction: two vendors' loyalty programmes into raw tables, by dlt and Arrow.

Owns: what the vendors' resources look like (declared as rows in `smile.resources` and
`yotpo.resources`), how their pages are walked, how their values become typed columns, and how a
dlt pipeline loads them. Must not know Dagster, dbt, the sandbox, settings or the environment:
clients, clocks and paths are given. Data flow: page -> records -> Arrow table -> Parquet in dlt's
folder (no database needed) -> merged into `raw_<vendor>` in DuckDB (one short step).
"""
