"""Reverse ETL: from the published activation models to what each vendor accepted.

    declarations   which model feeds which destination, and each property's name and type (dbt meta)
    plan           desired state (published file) against accepted state (ledger), in DuckDB SQL
    engine         batches -> destination -> outcome per row -> ledger
    destinations   how one vendor takes a batch and what its answers mean
    ledger         what was sent, accepted and refused; survives everything

Knows no Dagster, no dlt, no dbt but the manifest's shape. E-mails and payloads live in the
databases only: no log line, message, repr or metadata of this package holds one.
"""
