"""What Klaviyo's documentation leaves open, one switch each, and the faults only Klaviyo has.

Declarations only. The default is the documented or the more cautious reading: the one that hurts
a careless client more.
"""

from sandbox.core.faults import Fault
from sandbox.core.switches import Switch

SWITCHES: tuple[Switch, ...] = (
    Switch("import_seconds", 0.2, why="real seconds until a bulk job is complete: no figure known"),
    Switch("import_polls", 0, why="reads of a bulk job until it is complete: no figure known"),
    Switch("bulk_null", "ignored", ("ignored", "clears"), "the guide and customers disagree"),
    Switch(
        "bulk_duplicate",
        "first",
        ("first", "last", "random"),
        "which of two rows of one identity in a job is kept is not documented",
    ),
    Switch("bulk_meta", "applied", ("applied", "ignored"), "in the schema, never observed in bulk"),
    Switch(
        "bulk_bad_phone",
        "dropped",
        ("dropped", "refused"),
        "beside a valid e-mail: dropped silently on one account, 400 on another",
    ),
    Switch(
        "bulk_oversized_profile",
        "import_error",
        ("import_error", "refused"),
        "a row above 100 KB: found while processing or at once",
    ),
    Switch("oversized_profile_status", 400, (400, 413), "the status for one profile above 100 KB"),
    Switch(
        "identifier_conflict",
        "refused",
        ("refused", "merged"),
        "external_id of one profile beside the e-mail of another: 409 by analogy, or a merge",
    ),
    Switch("max_properties", 0, why="no limit on the number of properties is published; 0 = none"),
    Switch(
        "property_types",
        "free",
        ("free", "locked"),
        "whether the first type of a property binds later values",
    ),
    Switch("append", "set", ("set", "list"), "whether appending a value already held repeats it"),
    Switch("unset_missing", "ignored", ("ignored", "refused"), "unset of a key that is not there"),
    Switch(
        "bulk_event_duplicate",
        "refused",
        ("refused", "discarded"),
        "one unique_id twice in a request: the specification refuses, the guide discards",
    ),
    Switch(
        "stored_event_duplicate",
        "discarded",
        ("discarded", "refused"),
        "a unique_id that is already stored, in a bulk request",
    ),
    Switch("event_dedupe_days", 0, why="how long a unique_id is remembered; 0 = for ever"),
    Switch(
        "backfill_precedence",
        "event",
        ("event", "group", "either"),
        "whose backfill counts when the event and its group disagree",
    ),
    Switch("flow_max_age_days", 0, why="age from which events start no flow anyway; 0 = none"),
    Switch("event_visible_seconds", 0.0, why="real seconds until an accepted event can be read"),
    Switch("test_domains", "dropped", ("dropped", "kept"), "events of test addresses"),
    Switch("missing_revision", "refused", ("refused", "newest"), "a request without the header"),
    Switch("unknown_revision", "refused", ("refused", "nearest_earlier"), "old and new policy"),
    Switch("wrong_key_status", 401, (401, 400), "an older overview says 400"),
    Switch(
        "oauth_consent", "given", ("given", "denied"), "what the person at the consent page clicks"
    ),
    Switch(
        "oauth_refresh",
        "rotates",
        ("rotates", "keeps"),
        "whether a refresh ends the refresh token it was made with: third parties disagree",
    ),
    Switch(
        "oauth_old_access",
        "ends",
        ("ends", "lives"),
        "whether a refresh ends the access token before it, or that one lives out its hour",
    ),
    Switch("any_filter_values", 100, why="values allowed in any(...): no official cap"),
)

FAULTS: tuple[Fault, ...] = (
    Fault("stuck_job", "a bulk job submitted now stays in processing until the fault is cleared"),
    Fault("cancelled_job", "a bulk job submitted now ends as cancelled, nothing imported"),
    Fault("expired_job", "a read of a bulk job answers 404 as if it had expired"),
    Fault("job_status", "a read of a bulk job shows a status nobody documented", {"value": "new"}),
    Fault(
        "import_error",
        "rows of a bulk job fail while processing: a share of the addresses, always the same ones",
        {"share": 0.1, "emails": ""},
    ),
)
