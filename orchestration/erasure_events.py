"""What telling events has left with a person at Rule: tags and fields, to be cleared like the rest.

Klaviyo keeps events with the profile, and its API takes none back: they go when the profile is
deleted. Rule has no events, only what they wrote.
"""

from collections.abc import Collection

import duckdb

from orchestration.activate import event_sync
from orchestration.home import Home
from reverse_etl.declarations import TAG_PREFIX
from reverse_etl.ledger import Ledger


def left_by_events(destination: str, emails: Collection[str], home: Home) -> set[str]:
    """Fields and tags (`tag:<tag>`) that events told of these people have written.

    Of events that the tables still show (`event_history_days`, a year): what an older one wrote and
    no newer one repeated is not known any more.
    """
    ledger = Ledger(home.ledger)
    if destination != "rule" or not home.audited.exists() or not ledger.path.exists():
        return set()
    with ledger.open() as db:
        told = db.execute(
            "select event_id from events where destination = ? and list_contains(?, email) "
            "and accepted_at is not null",
            [destination, list(emails)],
        ).fetchall()
    with duckdb.connect(str(home.audited), read_only=True) as db:
        try:
            found = db.execute(
                f"""
                with told as (
                    select * from activation.{event_sync(destination).model}
                    where list_contains(?, event_id)
                )
                select unnest(json_keys(fields)) from told
                union
                select '{TAG_PREFIX}' || unnest([tag, marker_tag]) from told
                """,
                [[event_id for (event_id,) in told]],
            ).fetchall()
        except duckdb.CatalogException:  # audited by an earlier release
            return set()
    return {str(name) for (name,) in found if name is not None}
