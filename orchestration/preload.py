"""Imported by the process that a run's steps are forked from, and by nobody else.

The one module whose import does something: it resolves the job, so that each step finds it ready
(`definitions.refresh_loyalty_job` remembers it) instead of spending seconds on building it again.
"""

from orchestration.definitions import refresh_loyalty_job

refresh_loyalty_job()
