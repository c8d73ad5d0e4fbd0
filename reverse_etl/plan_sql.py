"""The SQL of a plan: desired state (published file) against accepted state (ledger).

Pure text from a declaration and the column types; executed by `reverse_etl.plan` in a scratch
DuckDB where the published file is attached as `published` and the ledger as `ledger`. Steps:

    keys         of the model, and duplicates: those it holds more than once
    candidates   rows whose payload hash is not the one accepted last; ledger rows gone from the
                 model join them with no values. Usually a few per cent: the rest ends here.
    differences  per candidate, what the vendor holds (h0..) beside what it should hold (v0..)
    planned      the patch, its operation, its lane and why it may not be sent
"""

from collections.abc import Mapping, Sequence

from reverse_etl.declarations import CREATE_COLUMN, TAG_PREFIX, Property, SyncSpec
from reverse_etl.keys import plain_email_sql
from reverse_etl.payloads import changes, dialect, ends, literal
from reverse_etl.values import is_float

# A tag of digits is read as an id; `.../tags/clear` would remove every tag of the person; and lines
# are what keeps tags apart here (`Dialect.group`).
_UNUSABLE_TAG = r"(^[0-9]+$)|(^(?i:clear)$)|[\"\\[:cntrl:]]"


class PlanSql:
    """The statements for one spec; `types` maps each column of the relation to its DuckDB type."""

    def __init__(self, spec: SyncSpec, types: Mapping[str, str]) -> None:
        self.spec = spec
        self.types = types
        self.dialect = dialect(spec.destination, spec.clears)
        self._mine = (
            f"destination = {literal(spec.destination)} and object = {literal(spec.object_name)}"
        )

    def keys(self) -> str:
        """The key of every row of the model."""
        return (
            f"create table keys as select {self._key()} as email "
            f"from published.{self.spec.relation}"
        )

    def duplicates(self) -> str:
        """Keys that more than one row of the model claims."""
        return (
            "create table duplicates as select email from keys group by email having count(*) > 1"
        )

    def waiting(self) -> str:
        """Keys with an import job still running: never two in flight for one person."""
        return (
            "create table waiting as "
            f"select email from ledger.deliveries where {self._mine} and state = 'sent'"
        )

    def quarantined(self) -> str:
        """Keys that the vendor refused too often: left out until somebody releases them."""
        return (
            "create table quarantined as select email from ledger.profiles "
            f"where {self._mine} and quarantined_at is not null "
            "and email not in (select email from waiting)"
        )

    def held_back(self) -> str:
        """Keys of people who are in a programme that was read too long ago: left as they are."""
        if not self.spec.held_programs:
            return "create table held_back (email varchar)"
        programs = ", ".join(literal(name) for name in sorted(self.spec.held_programs))
        return (
            f'create table held_back as select distinct email from published.marts."'
            f'{self.spec.people}" where program in ({programs}) and email is not null and email '
            "not in (select email from waiting union all select email from quarantined)"
        )

    def known(self) -> str:
        """How many people hold values of ours."""
        return f"select count(*) from ledger.profiles where {self._mine} and is_holding"

    def in_model(self, left_out: str) -> str:
        """How many rows of the model have a key that stands in table `left_out`."""
        return f"select count(*) from keys where email in (select email from {left_out})"

    def orphans(self) -> str:
        """Properties that candidates hold and that no column declares any more."""
        declared = {item.name for item in self.spec.properties} | self.spec.switched_off
        names = ", ".join(literal(name) for name in sorted(declared))
        kept = self.dialect.kept_prefix
        return f"""
select distinct name from (
    select unnest(json_keys(accepted)) as name from ledger.profiles
    where {self._mine} and is_holding and email in (select email from candidates)
)
where not starts_with(name, '{TAG_PREFIX}') and name not in ({names})
    and {f"not starts_with(name, {literal(kept)})" if kept else "true"}
order by name"""

    def candidates(self, has_duplicates: bool, left_out: Sequence[str]) -> str:
        """Rows that may need a write, with their typed columns (p0.., tags).

        `left_out`: tables of keys that are not planned now.
        """
        columns = [f"{_name(p.column)} as p{i}" for i, p in enumerate(self.spec.properties)]
        empty = [
            f"cast(null as {self.types[p.column]}) as p{i}"
            for i, p in enumerate(self.spec.properties)
        ]
        none = "cast([] as varchar[])"
        tags = _name(self.spec.tags_column) if self.spec.tags_column else none
        fresh = "not exists (select 1 from settled where settled.email = desired.email"
        fresh += " and settled.payload_hash = desired.payload_hash)"
        if has_duplicates:
            fresh += " or email in (select email from duplicates)"
        tests = [f"email not in (select email from {table})" for table in left_out]
        wanted = " and ".join(tests) or "true"
        return f"""
create table candidates as
with desired as (
    select
        {self._key()} as email,
        coalesce({_name(CREATE_COLUMN)}, false) as may_create,
        {", ".join(columns)},
        {tags} as listed,
        {self._hash()} as payload_hash
    from published.{self.spec.relation}
),
settled as (
    select email, payload_hash from ledger.profiles
    where {self._mine} and state in ('accepted', 'unchanged') and payload_hash is not null
),
gone as (
    select
        email,
        false as may_create,
        {", ".join(empty)},
        {none} as listed,
        cast(null as varchar) as payload_hash
    from ledger.profiles anti join keys using (email)
    where {self._mine} and is_holding
),
both_sides as (
    select * from desired where {fresh}
    union all
    select * from gone
)
select * exclude (listed), {_clean_tags("listed")} as tags
from both_sides where email is null or ({wanted})"""

    def differences(self, orphans: Sequence[str]) -> str:
        """What is wanted (v), what is held (h), which tags move and which orphans are held."""
        wanted = [
            f"{self._value(item, f'c.p{index}')} as v{index}"
            for index, item in enumerate(self.spec.properties)
        ]
        held = [
            f"cast(held[{index + 1}] as varchar) as h{index}"
            for index in range(len(self.spec.properties))
        ]
        paths = ", ".join(literal(f'$."{item.name}"') for item in self.spec.properties)
        tag_keys = f"list_filter(json_keys(accepted), lambda k: starts_with(k, '{TAG_PREFIX}'))"
        known_tags = f"list_transform({tag_keys}, lambda k: substr(k, {len(TAG_PREFIX) + 1}))"
        sure_tags = (
            f"list_filter({known_tags}, lambda t: cast(json_extract(accepted, "
            f"'$.\"{TAG_PREFIX}' || t || '\"') as varchar) = 'true')"
        )
        none = "cast([] as varchar[])"
        add = f"list_sort(list_filter(tags, lambda t: not list_contains({sure_tags}, t)))"
        remove = f"list_filter({known_tags}, lambda t: not list_contains(tags, t))"
        has_tags = self.spec.tags_column is not None
        names = f"[{', '.join(literal(name) for name in orphans)}]"
        held_orphans = f"list_filter({names}, lambda n: list_contains(json_keys(accepted), n))"
        return f"""
create view differences as
with joined as (
    select
        c.email, c.may_create, c.tags, c.payload_hash,
        {", ".join(wanted)},
        {" or ".join(self._unfit())} as has_unfit_number,
        coalesce(l.accepted, '{{}}') as accepted,
        l.accepted_at is not null as is_known,
        l.state,
        case when l.state is null or l.state in ('accepted', 'unchanged') then 1
            else l.attempt_count + 1 end as attempt_count,
        json_extract(coalesce(l.accepted, '{{}}'), [{paths}]) as held
    from candidates as c
    left join (select * from ledger.profiles where {self._mine}) as l on l.email = c.email
)
select
    * exclude (held),
    {", ".join(held)},
    {add if has_tags else none} as tags_add,
    {remove if has_tags else none} as tags_remove,
    {held_orphans if orphans else none} as orphans
from joined"""

    def planned(self) -> str:
        """One row per candidate: patch, operation, lane, reason against sending it."""
        properties = self.spec.properties
        compared = [(i, p) for i, p in enumerate(properties) if p.is_compared]
        members = [
            f"case when {is_sent} then {_member(p)} || coalesce(v{i}, 'null') end"
            for i, (p, is_sent) in enumerate(
                zip(properties, self.dialect.sent(properties), strict=True)
            )
        ]
        members += [
            _members("tags_add", "true", TAG_PREFIX),
            _members("tags_remove", "null", TAG_PREFIX),
            _members("orphans", "null"),
        ]
        clears = [*(ends(p, i) for i, p in enumerate(properties)), "len(orphans) > 0"]
        # What reaches this view unfit is refused, not compared: its text form means nothing.
        changed = [changes(p, i) for i, p in compared]
        changed += ["len(tags_add) > 0", "len(tags_remove) > 0", "len(orphans) > 0"]
        changed += ["has_unfit_number"]
        has_value = [f"v{i} is not null" for i, _ in compared] + ["len(tags) > 0"]
        unusable_tag = f"len(list_filter(tags, lambda t: regexp_matches(t, '{_UNUSABLE_TAG}'))) > 0"
        return f"""
create table planned as
with patched as (
    select
        *,
        '{{' || concat_ws(',', {", ".join(members)}) || '}}' as patch,
        {" or ".join(clears)} as has_clear,
        {" or ".join(changed)} as is_changed,
        {" or ".join(has_value)} as has_value,
        accepted <> '{{}}' as is_touched,
        not is_known and not may_create as must_exist
    from differences
)
select
    row_number() over () - 1 as row_id,
    email,
    case
        when not is_changed then 'unchanged'
        when not is_known and may_create then 'add'
        when not is_known and not is_touched then 'not_known'
        when has_value then 'change'
        else 'clear'
    end as operation,
    case
        when not is_changed then null
        when email is null then 'missing_email'
        when email in (select email from duplicates) then 'duplicate_key'
        when length(email) > 100 then 'email_too_long'
        when has_unfit_number then 'not_a_number'
        when {unusable_tag} then 'unusable_tag'
        when {self.dialect.too_large(properties)} then 'payload_too_large'
    end as reason_code,
    coalesce({plain_email_sql("email")}, false) as is_plain_email,
    patch,
    {self.dialect.body(properties)} as body,
    {self.dialect.lane(properties)} as lane,
    {self.dialect.group} as group_key,
    tags_add,
    tags_remove,
    payload_hash,
    cast(attempt_count as integer) as attempt_count,
    must_exist,
    has_clear,
    state
from patched"""

    def _key(self) -> str:
        return f"nullif(lower(trim(cast({_name(self.spec.key)} as varchar))), '')"

    def _value(self, item: Property, column: str) -> str:
        return self.dialect.kinds[item.kind](column, self.types[item.column])

    def _unfit(self) -> Sequence[str]:
        found = [
            f"coalesce(not isfinite(c.p{index}), false)"
            for index, item in enumerate(self.spec.properties)
            if is_float(self.types[item.column])
        ]
        return found or ["false"]

    def _hash(self) -> str:
        """Hash of the compared values and of how they are declared.

        DuckDB's own 64-bit hash of the typed columns: twenty times as fast as hashing their text.
        Another DuckDB may hash otherwise; rows then differ by hash, are found equal by value, and
        get the new hash. So a hash is only ever compared with the same person's last one.
        """
        compared = [item for item in self.spec.properties if item.is_compared]
        declared = [f"{item.name}={item.kind}" for item in compared]
        parts = [literal(";".join(declared)), *(_name(item.column) for item in compared)]
        if self.spec.tags_column:
            # As listed: another order makes a candidate, which is then found equal by value.
            parts.append(_name(self.spec.tags_column))
        return f"to_hex(hash({', '.join(parts)}))"


def _member(item: Property) -> str:
    """SQL literal of the property's name as a JSON member."""
    return literal(f'"{item.name}":')


def _name(column: str) -> str:
    return f'"{column}"'


def _clean_tags(column: str) -> str:
    trimmed = f"list_transform(coalesce({column}, []), lambda t: trim(t))"
    return f"list_sort(list_distinct(list_filter({trimmed}, lambda t: t <> '')))"


def _members(names: str, value: str, prefix: str = "") -> str:
    """SQL of JSON members that give every name of a list the same value; NULL for an empty list."""
    member = f"cast(to_json({literal(prefix)} || n) as varchar) || ':{value}'"
    return f"nullif(array_to_string(list_transform({names}, lambda n: {member}), ','), '')"
