"""The published record of deliveries in words: what each table of `EXPORTS` and each column means.

Published as comments beside the columns, and the source of their part of docs/reference/tables.md.
"""

from collections.abc import Mapping

_SHARED = {
    "run_id": "Run that this belongs to: the id that the Dagster UI shows.",
    "destination": "klaviyo or rule.",
    "object": "What is written there: profiles (Klaviyo) or subscribers (Rule), or events.",
    "email": "Normalised e-mail of the person.",
    "job_id": "The vendor's id of the job that carried it; none where the vendor answers at once.",
    "reason_code": "Why it was not accepted, in one word of the vendor's or ours; else none.",
    "attempt_count": "How often it was tried so far.",
}
TABLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "runs": (
        "One row per run, destination, object and operation (add, change, clear): how many rows "
        "were planned, and what became of them. planned = accepted + rejected + invalid + aborted "
        "once a run has finished.",
        {
            **_SHARED,
            "operation": "add (nothing of ours was there), change, or clear (only values ended).",
            "started_at": "Start of the sync by the product's clock (UTC).",
            "finished_at": "Its end (UTC); none while it runs.",
            "status": "running, succeeded, unfinished (the vendor still works on a job), held (a "
            "guard objected, nothing was sent), aborted (stopped early) or failed.",
            "planned_count": "Rows that differed from what the vendor had accepted.",
            "attempted_count": "Of these: sent.",
            "accepted_count": "Of these: accepted by the vendor.",
            "rejected_count": "Of these: refused by the vendor; see rejections.",
            "invalid_count": "Of these: never sent, because we know that the vendor refuses them.",
            "aborted_count": "Of these: not sent, or without an answer; the next run takes them.",
        },
    ),
    "profiles": (
        "One row per destination, object and person we ever planned to write: the latest state of "
        "the delivery.",
        {
            **_SHARED,
            "state": "unchanged, sent (on its way), accepted, rejected, invalid or aborted.",
            "payload_hash": "Fingerprint of the last payload that was accepted whole.",
            "sent_at": "When it was last sent (UTC).",
            "accepted_at": "When the vendor last accepted something (UTC); none = never.",
            "operation": "What was last planned: add, change or clear.",
            "quarantined_at": "Since when it is no longer tried (UTC); none = tried again.",
        },
    ),
    "events": (
        "One row per destination and event that we ever planned to tell: the latest state of its "
        "delivery. An accepted event is never sent again.",
        {
            **_SHARED,
            "event_id": "The event's id, which marts.fct_loyalty_events knows it by.",
            "email": "Normalised e-mail of the person; none where the event has none.",
            "state": "sent (on its way), accepted, rejected, invalid (never sent, because we know "
            "that the vendor refuses it), aborted (the next run takes it) or skipped (a setting "
            "leaves it out).",
            "was_backfill": "True when it was sent as history, which starts no flow; none = it "
            "never left.",
            "occurred_at": "When it happened (UTC).",
            "sent_at": "When it was last sent (UTC).",
            "accepted_at": "When the vendor accepted it (UTC).",
            "quarantined_at": "Since when it is no longer tried (UTC); none = tried again.",
        },
    ),
    "rejections": (
        "One row per row that a run could not deliver, with the reason.",
        {
            **_SHARED,
            "operation": "What was to be done: add, change or clear.",
            "state": "rejected (by the vendor) or invalid (never sent).",
            "reason": "The vendor's own words, shortened, without personal data.",
            "recorded_at": "When this was noted (UTC).",
            "quarantined_at": "Since when the row is no longer tried (UTC); none = tried again.",
        },
    ),
    "jobs": (
        "One row per job that a vendor works on by itself (Klaviyo's bulk imports), written down "
        "before anybody asks about it.",
        {
            **_SHARED,
            "job_id": "The vendor's id of the job.",
            "status": "submitted (the vendor still works on it), complete, cancelled or expired.",
            "submitted_at": "When the vendor took it (UTC).",
            "settled_at": "When its end was seen and each row had an outcome (UTC); none before.",
            "row_count": "Rows in it.",
            "accepted_count": "Of these: accepted; none before the end.",
            "rejected_count": "Of these: refused; none before the end.",
        },
    ),
    "acceptance_times": (
        "One row per run, destination, object and number of seconds: how many rows the vendor "
        "accepted so long after they were sent.",
        {
            **_SHARED,
            "seconds": "Whole seconds from the leaving of the request to the acceptance as we saw "
            "it.",
            "row_count": "Rows that took so long.",
        },
    ),
    "read_backs": (
        "One row per read-back of a destination and object: people (object events: told events) "
        "were read from the vendor and compared with what it had accepted. checked = accurate + "
        "missing + drifted.",
        {
            **_SHARED,
            "read_back_id": "Id of the read-back; that of the Dagster run where one did it.",
            "started_at": "Start by the product's clock (UTC).",
            "finished_at": "Its end (UTC).",
            "is_sample": "True when not everybody was to be read.",
            "known_count": "People whom the vendor had accepted something for and nobody was "
            "writing to.",
            "checked_count": "Of these: read back and compared.",
            "accurate_count": "Of these: everything as accepted.",
            "missing_count": "Of these: the vendor does not know them (any more).",
            "drifted_count": "Of these: at least one value or tag of ours is not as accepted.",
            "repaired_count": "Of these: marked, so that the next sync writes them again.",
            "accuracy": "accurate_count / checked_count, rounded down; none when nobody was "
            "checked.",
        },
    ),
    "drift": (
        "One row per destination, object, property and kind of difference that the latest "
        "read-back found.",
        {
            **_SHARED,
            "property": "Property, field or tag (tag:<name>); none = the person as a whole.",
            "kind": "missing (the vendor has no value), different, or unexpected (it holds a value "
            "that was cleared or never given).",
            "started_at": "Start of that read-back by the product's clock (UTC).",
            "people_count": "People whom it concerns.",
        },
    ),
}
