"""What is unknown about Rule, one switch each.

Declarations only. Rule's own documentation was only partly available; where sources disagree or
are silent, the default is the reading that hurts a careless client more, and every other reading
can be switched on.
"""

from sandbox.core.switches import Switch

SWITCHES: tuple[Switch, ...] = (
    Switch("bad_entry", "refused", ("refused", "skipped"), "one bad entry of many: whole call?"),
    Switch("error_index", "plain", ("plain", "indexed"), "how `fields` of a 400 names an entry"),
    Switch("empty_tags", "refused", ("refused", "accepted"), "an empty `tags` array"),
    Switch("repeated_tags", "refused", ("refused", "accepted"), "one tag twice in `tags`"),
    Switch("null_value", "refused", ("refused", "ignored", "cleared"), "a field's value null"),
    Switch("empty_value", "stored", ("stored", "ignored", "cleared"), 'a field\'s value ""'),
    Switch(
        "empty_typed_value",
        "accepted",
        ("accepted", "refused"),
        'whether "" passes the check of a type other than text',
    ),
    Switch("type_change", "refused", ("refused", "changed"), "another type for an existing field"),
    Switch("fields_clear_scope", "all", ("all", "written"), "which groups `fields_clear` empties"),
    Switch(
        "upsert_suppressed",
        "written",
        ("written", "skipped"),
        "whether suppressed people receive fields and tags in an upsert",
    ),
    Switch(
        "upsert_blocked",
        "written",
        ("written", "skipped", "unblocked"),
        "what an upsert does to a blocked person",
    ),
    Switch(
        "identity_conflict",
        "refused",
        ("refused", "email_wins"),
        "e-mail of one subscriber beside the phone of another",
    ),
    Switch(
        "multi_async_from",
        101,
        why="entries from which a create call is worked off later: large, says the SDK; 0 = never",
    ),
    Switch("async_seconds", 0.2, why="real seconds until background work is done: no figure known"),
    Switch(
        "multi_response",
        "counts",
        ("counts", "success", "entries"),
        "members of the reply to a create call with an array",
    ),
    Switch("put_tags", "add", ("add", "replace"), "`tags` of PUT subscribers"),
    Switch(
        "tag_add_default",
        "send",
        ("send", "none"),
        "whether the v2 tag call without `automation` starts automations",
    ),
    Switch(
        "bulk_tags_automation",
        "ignored",
        ("ignored", "applied"),
        "`automation` of the v3 bulk tag call",
    ),
    Switch("absent_tag", "not_found", ("not_found", "success"), "removing a tag nobody assigned"),
    Switch(
        "absent_group",
        "not_found",
        ("not_found", "success"),
        "v3 deletion of a group that the person has no values in",
    ),
    Switch(
        "v3_create_existing",
        "conflict",
        ("conflict", "invalid", "updated"),
        "v3 create of a known person: 409, 422 or an update",
    ),
    Switch("bad_identifier_status", 400, (400, 422), "v3 with no or two identifiers"),
    Switch("callback_method", "POST", ("POST", "GET"), "how a `callback_url` is called"),
    Switch("email_case", "folded", ("folded", "kept"), "whether A@b.co and a@b.co are one"),
    Switch("tag_case", "kept", ("kept", "folded"), "whether VIP and vip are one tag"),
    Switch("field_case", "kept", ("kept", "folded"), "whether Loyalty.X and loyalty.x are one"),
    Switch("max_name_characters", 0, why="longest name of a tag, group or field; 0 = none known"),
    Switch("reserved_characters", "", why="characters refused in a field key; none are listed"),
    Switch("multiple_read_back", "array", ("array", "joined"), "`multiple` values in v2 fields"),
    Switch("json_read_back", "text", ("text", "parsed"), "`json` values in v2 fields"),
    Switch("list_without_tags", "array", ("array", "null", "missing"), "`tags` in the list"),
    Switch("timestamps", "plain", ("plain", "iso"), "format of created_at and updated_at"),
    Switch(
        "v2_status",
        "hidden",
        ("hidden", "shown"),
        "whether v2 shows a person's status (ACTIVE, BLOCKED, PENDING)",
    ),
    Switch(
        "blocked_opted_in",
        "true",
        ("true", "false"),
        "`opted_in` of a person who opted in and was blocked later",
    ),
    Switch("v3_charset", "optional", ("optional", "required"), "charset=utf-8 on v3 bodies"),
    Switch("v2_limit_headers", "absent", ("absent", "present"), "v3's rate headers on v2"),
    Switch("retry_after", "wall_time", ("wall_time", "seconds"), "observed, documented"),
    Switch("throttle_body", "continue_at", ("continue_at", "too_many"), "observed, documented"),
    Switch("error_min_requests", 100, why="requests before the error share can block"),
    Switch(
        "errors_counted",
        "4xx and 5xx",
        ("4xx and 5xx", "5xx", "all but 404"),
        "which statuses count as errors",
    ),
    Switch("error_window_seconds", 600, why="period over which the error share is taken"),
    Switch("error_block_seconds", 600, why="length of a block for too many errors"),
)
