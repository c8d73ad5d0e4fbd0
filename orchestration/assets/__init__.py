"""Dagster assets, one module per stage: extraction, dbt models, publication, syncs."""
