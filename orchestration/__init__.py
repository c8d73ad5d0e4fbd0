"""The Dagster code location and the `loyalty` command: the only package that knows Dagster.

It wires what the others offer (extraction, the dbt project, reverse ETL) to settings, state and
people. Rules of the domain live in `dbt_project/`, rules of delivery in `reverse_etl/`.
"""
