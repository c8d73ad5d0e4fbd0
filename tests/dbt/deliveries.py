"""What the ledger would say of two days of syncs of the small shop.

Owns rows of the dbt source `sync`; what the marts make of them is said in test_deliveries.py.
"""

from __future__ import annotations

from tests.dbt.warehouse import Warehouse


def fill_deliveries(warehouse: Warehouse) -> None:
    """Two days; the second has a refusal, rows that still wait, and a vendor that took long."""
    day, next_day = "2026-11-20 06:00:00", "2026-11-21 05:30:00"
    counters = (
        "run_id, destination, object, operation, started_at, status, planned_count, "
        "attempted_count, accepted_count, rejected_count, invalid_count, aborted_count"
    )
    warehouse.execute(
        f"""
        insert into sync.runs ({counters}) values
            ('r1', 'klaviyo', 'profiles', 'add', '{day}', 'succeeded', 100, 99, 99, 0, 1, 0),
            ('r1', 'klaviyo', 'profiles', 'change', '{day}', 'succeeded', 0, 0, 0, 0, 0, 0),
            ('r1', 'rule', 'subscribers', 'add', '{day}', 'succeeded', 3, 3, 3, 0, 0, 0),
            ('r2', 'klaviyo', 'profiles', 'add', '{next_day}', 'unfinished', 8, 7, 4, 1, 1, 0),
            ('r3', 'klaviyo', 'profiles', 'add', '{next_day}', 'succeeded', 2, 1, 0, 0, 1, 1);
        insert into sync.rejections
            (run_id, destination, object, email, operation, state, reason_code, attempt_count,
            recorded_at)
        values
            ('r1', 'klaviyo', 'profiles', 'a@@shop.test', 'add', 'invalid', 'malformed_email', 1,
            '{day}'),
            ('r2', 'klaviyo', 'profiles', 'a@@shop.test', 'add', 'invalid', 'malformed_email', 2,
            '{next_day}'),
            ('r3', 'klaviyo', 'profiles', 'a@@shop.test', 'add', 'invalid', 'malformed_email', 3,
            '{next_day}'),
            ('r2', 'klaviyo', 'profiles', 'refused@shop.test', 'add', 'rejected', 'invalid', 1,
            '2026-11-20 23:59:59'),
            ('r2', 'klaviyo', 'profiles', null, 'add', 'invalid', 'missing_email', 1,
            '2026-11-21 00:00:00');
        insert into sync.acceptance_times (run_id, destination, object, seconds, row_count) values
            ('r1', 'klaviyo', 'profiles', 1, 50), ('r1', 'klaviyo', 'profiles', 2, 45),
            ('r1', 'klaviyo', 'profiles', 9, 4), ('r2', 'klaviyo', 'profiles', 30, 3),
            ('r2', 'klaviyo', 'profiles', 10, 1), ('gone', 'rule', 'subscribers', 5, 1);
        insert into sync.profiles (destination, object, email, state, reason_code, quarantined_at)
        values
            ('klaviyo', 'profiles', 'both@shop.test', 'accepted', null, null),
            ('klaviyo', 'profiles', 'zero@shop.test', 'accepted', null, null),
            ('klaviyo', 'profiles', 'refused@shop.test', 'rejected', 'invalid', '{next_day}'),
            ('rule', 'subscribers', 'both@shop.test', 'sent', null, null)
        """
    )
