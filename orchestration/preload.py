"""Imported by the process that a run's steps are forked from, and by nobody else.

The one module whose import does something: it resolves the job and opens a throw-away instance, so
that each step finds the graph and 430 modules of Dagster's storage ready instead of spending two
seconds on them.
"""

import tempfile

import dagster as dg

from orchestration.definitions import refresh_loyalty_job

refresh_loyalty_job()
with tempfile.TemporaryDirectory() as _folder, dg.DagsterInstance.local_temp(_folder):
    pass
