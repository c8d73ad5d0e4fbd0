"""The SQL of a plan of events: rows of the model that no vendor has accepted yet.

Pure text, executed by `events.plan` in a scratch DuckDB where the published file is attached as
`published` and the ledger as `ledger`. Steps:

    duplicates  ids that the model holds more than once
    judged      rows that are not accepted, shaped, with the first reason against sending them
    planned     the same in the order of sending, with what was known to be unsendable before marked

What happened before a vendor was told anything is history, whatever its age: a ledger that was
lost, a sync that was switched on late, or a first one that was cut short, starts no flow.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from reverse_etl.events.contract import OPTIONAL, EventSync
from reverse_etl.events.shapes import LONGEST_ID, SHAPES, doubtful
from reverse_etl.keys import LONGEST_EMAIL, plain_email_sql
from reverse_etl.ledger_file import utc
from reverse_etl.payloads import literal

# `time` lies between 1990 and a year from now (revision 2026-07-15 of Klaviyo's document; older
# ones say 2000). For Rule nothing is documented; the same events are sensible there.
EARLIEST = datetime(1990, 1, 1)  # noqa: DTZ001 - compared in SQL with UTC without a zone
LATEST = timedelta(days=365)


class EventPlanSql:
    """The statements of one sync; `types` maps each column of the model to its DuckDB type."""

    def __init__(self, sync: EventSync, types: Mapping[str, str], now: datetime) -> None:
        self.sync = sync
        self.types = types
        self.shape = SHAPES[sync.destination]
        self._now = utc(now)
        self._mine = f"destination = {literal(sync.destination)}"

    def duplicates(self) -> str:
        """Ids that more than one row of the model claims."""
        return (
            "create table duplicates as select cast(event_id as varchar) as event_id "
            f"from published.{self.sync.relation} group by 1 having count(*) > 1"
        )

    def counts(self) -> str:
        """Rows of the model; events accepted by the vendor; events that are set aside."""
        return (
            f"select (select count(*) from published.{self.sync.relation}), "
            "count(*) filter (state = 'accepted'), count(*) filter (quarantined_at is not null) "
            f"from ledger.events where {self._mine}"
        )

    def told_by_kind(self) -> str:
        """Events of the model that the vendor has accepted, by what happened."""
        kind = self.shape.kind
        return (
            f"select cast(m.{kind} as varchar) as kind, count(*) as event_count "
            f"from published.{self.sync.relation} as m where cast(m.event_id as varchar) in "
            f"(select event_id from ledger.events where {self._mine} and state = 'accepted') "
            "group by 1"
        )

    def judged(self, has_duplicates: bool) -> str:
        """Every row that may still be sent, with its body and the reason against it."""
        shape = self.shape
        repeated = "event_id in (select event_id from duplicates)"
        reasons = [
            ("missing_id", "event_id is null or event_id = ''"),
            ("id_too_long", f"length(event_id) > {LONGEST_ID}"),
            *([("duplicate_id", repeated)] if has_duplicates else []),
            ("missing_email", "email is null"),
            ("email_too_long", f"length(email) > {LONGEST_EMAIL}"),
            ("missing_time", "occurred_at is null"),
            (
                "time_out_of_range",
                f"occurred_at < {_moment(EARLIEST)} or occurred_at > {_moment(self._now + LATEST)}",
            ),
            ("unreadable_json", "shown is null"),
            *shape.reasons(self.types),
        ]
        skips = [
            # Of those who may not get a profile, only people whom the vendor has from us.
            ("not_known", "not coalesce(may_create_profile, true) and not is_known"),
            *shape.skips(self.sync),
        ]
        return f"""
create table judged as
with wanted as (
    select
        {", ".join(self._columns())},
        case
            when {shape.json_column} is null then '{{}}'
            when not json_valid(cast({shape.json_column} as varchar)) then null
            when json_type(cast({shape.json_column} as varchar)) <> 'OBJECT' then null
            -- A null says nothing to a vendor; merging takes it out, and costs.
            when contains(cast({shape.json_column} as varchar), 'null')
                then cast(json_merge_patch('{{}}', cast({shape.json_column} as varchar)) as varchar)
            else cast({shape.json_column} as varchar)
        end as shown
    from published.{self.sync.relation}
),
open as (
    select
        w.*,
        w.is_first_load or w.occurred_at < {_moment(self._oldest_live())}
            or told_since is null or w.occurred_at < told_since as is_backfill,
        l.state as last_state,
        l.reason_code as last_reason,
        coalesce(l.attempt_count, 0) + 1 as attempt_count,
        coalesce(l.is_uncertain, false) as is_uncertain,
        coalesce(w.email in (
            select email from ledger.profiles where {self._mine} and accepted_at is not null
                and reason_code is distinct from 'never_created'
        ), false) as is_known,
        {"coalesce(w.occurred_at < t.told_until, false)" if shape.has_order else "false"} as is_late
    from wanted as w
    cross join (
        select min(sent_at) as told_since from ledger.events where {self._mine}
    )
    left join (select * from ledger.events where {self._mine}) as l on l.event_id = w.event_id
    {self._latest() if shape.has_order else ""}
    where l.state is null or (l.state <> 'accepted' and l.quarantined_at is null)
),
shaped as (
    select *, {shape.body(self.types, self.sync)} as body from open
)
select
    event_id, email, occurred_at, is_backfill, last_state, last_reason,
    cast({shape.kind} as varchar) as kind,
    cast(attempt_count as integer) as attempt_count,
    is_uncertain, body,
    {shape.lane(self.sync)} as lane,
    {shape.group(self.types)} as group_key,
    {_first(skips)} as skip_code,
    {_first(reasons)} as fault,
    coalesce({plain_email_sql("email")}, false) as is_plain_email,
    coalesce({doubtful("shown")}, false) as is_doubtful,
    case when coalesce({doubtful("shown")}, false) then shown end as doubtful_json
from shaped"""

    def planned(self) -> str:
        """What is to be done, in the order of sending; `faults` holds what Python found."""
        return f"""
create table planned as
with told as (
    select j.* exclude (fault, skip_code),
        coalesce(skip_code, j.fault, by_email.fault, by_json.fault) as reason_code,
        if(skip_code is null, 'invalid', 'skipped') as state
    from judged as j
    left join faults as by_email
        on not j.is_plain_email and by_email.kind = 'email' and by_email.value = j.email
    left join faults as by_json
        on j.is_doubtful and by_json.kind = 'json' and by_json.value = j.event_id
)
select event_id, email, occurred_at, is_backfill, attempt_count, is_uncertain, lane, group_key,
    if(reason_code is null, body, null) as body,
    reason_code,
    if(reason_code is null, null, state) as state,
    kind,
    -- What was found unsendable before, for the same reason, is no news.
    reason_code is null or reason_code is distinct from last_reason
        or state is distinct from last_state as is_news
from told
order by {self.shape.order}, email, occurred_at, event_id"""

    def _latest(self) -> str:
        """Up to when each person's events were told."""
        return (
            "left join (select email, max(occurred_at) as told_until from ledger.events "
            f"where {self._mine} and state = 'accepted' group by email) as t on t.email = w.email"
        )

    def _oldest_live(self) -> datetime:
        return self._now - timedelta(hours=self.sync.live_hours)

    def _columns(self) -> list[str]:
        found = [
            "cast(event_id as varchar) as event_id",
            "nullif(lower(trim(cast(email as varchar))), '') as email",
            "cast(occurred_at as timestamp) as occurred_at",
            # Not known = not told as live.
            "coalesce(is_first_load, true) as is_first_load",
        ]
        known = {"event_id", "email", "occurred_at", "is_first_load", self.shape.json_column}
        found += [name for name in self.types if name not in known]
        optional = OPTIONAL[self.sync.destination]
        found += [
            f"cast(null as {kind}) as {name}"
            for name, kind in optional.items()
            if name not in self.types
        ]
        return found


def _first(reasons: list[tuple[str, str]]) -> str:
    """SQL of the first reason that applies, else null."""
    tests = " ".join(f"when {test} then {literal(code)}" for code, test in reasons)
    return f"case {tests} end" if reasons else "cast(null as varchar)"


def _moment(moment: datetime) -> str:
    return f"timestamp '{moment:%Y-%m-%d %H:%M:%S}'"
