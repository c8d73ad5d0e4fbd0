"""`loyalty why` on one screen: where each value comes from, in the order of the data's way.

Shows the e-mail that was typed and no other. The same facts as JSON with `--json`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.person import Membership, Person, Row
from orchestration.person_delivery import Delivery

_UNSETTLED = {"unsettled": True}
_DIFFERENCES_SHOWN = 12
_EVENTS_SHOWN = 8


def as_json(person: Person, deliveries: list[Delivery]) -> str:
    """Everything, for programs."""
    content = {**asdict(person), "deliveries": [asdict(each) for each in deliveries]}
    return orjson.dumps(content, default=str, option=orjson.OPT_INDENT_2).decode()


def show(console: Console, person: Person, deliveries: list[Delivery]) -> None:
    """Print the path."""
    _title(console, person.email)
    _sources(console, person)
    for membership in person.memberships:
        _membership(console, membership)
    if person.hint:
        _line(console, f"  {person.hint}")
    for delivery in deliveries:
        _delivery(console, delivery)


def _title(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}", style="bold"))


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)


def _sources(console: Console, person: Person) -> None:
    _title(console, "What the programmes sent")
    if person.sources is None:
        _line(console, "  left out: the warehouse is being written at the moment; ask again later")
        return
    if not person.sources:
        _line(console, "  no row")
    for source in person.sources:
        times = "" if source.row_count == 1 else f" × {source.row_count:,}, newest"
        _line(console, f"  {source.table}{times}, read {_shown(source.seen_at)}")
        _line(console, f"    {_pairs(source.values)}")


def _membership(console: Console, one: Membership) -> None:
    facts = one.facts
    _title(console, f"{facts['program']} member {facts['member_id']}")
    state = f"{facts['membership'].replace('_', ' ')} (at the vendor: {facts['source_state']})"
    gone = ", gone at the vendor" if facts["is_deleted"] else ""
    _line(console, f"  {state}{gone}, joined {_shown(facts['joined_at'])}")
    if one.speaker is not None:
        _line(
            console,
            f"  does not fill the profile: member {one.speaker['speaker_member_id']} has the same "
            f"e-mail and speaks for it ({one.speaker['reason'].replace('_', ' ')})",
        )
    _line(console, f"  {facts['points_balance']} points; {_tier(facts, one.tier)}")
    if one.why_no_rewards:
        _line(console, f"  rewards: {one.why_no_rewards}")
    if one.rewards:
        console.print(_rewards(one.rewards))
    if one.summary:
        _line(console, f"  headline: {one.summary['headline_text']}")
    if one.coupons:
        _line(console, f"  coupons: {_pairs(one.coupons)}")
    segments = ", ".join(
        f"{s['title'] or s['segment']} (since {s['entered_on']})" for s in one.segments
    )
    _line(console, f"  segments: {segments or 'none'}")


def _tier(facts: Row, tier: Row | None) -> str:
    if not facts["tier_name"]:
        return "no tier"
    text = f"tier {facts['tier_name']}"
    if facts["tier_expires_at"]:
        text += f" until {_shown(facts['tier_expires_at'])}"
    missing = {
        unit: (tier or {}).get(f"{unit}_to_next_tier")
        for unit in ("points", "amount", "purchases", "referrals")
    }
    needed = [f"{value} {unit}" for unit, value in missing.items() if value]
    text = f"{text}, {' and '.join(needed)} to the next" if needed else text
    return f"{text}, at risk" if (tier or {}).get("is_tier_at_risk") else text


def _rewards(rewards: Iterable[Row]) -> Table:
    table = Table(box=None, padding=(0, 2), title_justify="left")
    for name in ("reward", "price", "redeemable", "points needed", ""):
        table.add_column(name, justify="right" if name in ("price", "points needed") else "left")
    for each in rewards:
        step = "from " if each["exchange_type"] == "variable" else ""
        table.add_row(
            Text(f"  {each['reward_name']}"),
            f"{step}{each['price']:,}",
            _redeemable(each),
            f"{each['points_needed']:,}",
            each["mark"],
        )
    return table


def _redeemable(reward: Row) -> str:
    if not reward["is_eligible"]:
        return "no"
    is_variable = reward["exchange_type"] == "variable"
    return f"yes, up to {reward['affordable_points']:,}" if is_variable else "yes"


def _delivery(console: Console, one: Delivery) -> None:
    _title(console, one.destination.capitalize())
    if one.wanted:
        _line(console, f"  wanted ({len(one.wanted)}): {_pairs(one.wanted)}")
        if one.tags:
            _line(console, f"  tags wanted: {', '.join(one.tags)}")
    else:
        _line(console, "  wanted: nothing")
    for line in _state(one):
        _line(console, f"  {line}")
    for refusal in one.rejections:
        _line(
            console,
            f"  refused {_shown(refusal['recorded_at'])}: {refusal['reason_code']} "
            f"{refusal['reason'] or ''} (try {refusal['attempt_count']})",
        )
    _line(console, f"  next sync: {one.next_sync}")
    for name, value in list(one.difference.items())[:_DIFFERENCES_SHOWN]:
        _line(console, f"    {name}: {_held(one.held, name)} → {_value(value)}")
    if len(one.difference) > _DIFFERENCES_SHOWN:
        _line(console, f"    and {len(one.difference) - _DIFFERENCES_SHOWN} more (--json)")
    _events(console, one.events)


def _events(console: Console, events: list[Row]) -> None:
    told = sum(event["state"] == "accepted" for event in events)
    _line(console, f"  events: {told} told of {len(events)}")
    for event in events[:_EVENTS_SHOWN]:
        name = event["event"] or f"{event['event_id']} (older than the tables show)"
        _line(console, f"    {_shown(event['occurred_at'])}  {name}: {_outcome(event)}")
    if len(events) > _EVENTS_SHOWN:
        _line(console, f"    and {len(events) - _EVENTS_SHOWN} older ones (--json)")


def _outcome(event: Row) -> str:
    if event["state"] == "accepted":
        how = "as history, which starts nothing" if event["was_backfill"] else "live"
        return f"accepted {_shown(event['accepted_at'])}, {how}"
    because = f" because {event['reason_code'].replace('_', ' ')}" if event["reason_code"] else ""
    return f"{event['state']}{because}"


def _state(one: Delivery) -> Iterable[str]:
    """What the vendor holds of ours, and the last attempt to change it."""
    state = one.ledger
    if state is None:
        yield "held: nothing, and nothing was ever planned"
        return
    since = f", accepted {_shown(state['accepted_at'])}" if state["accepted_at"] else ""
    yield f"held: {len(one.held)} values{since}"
    parts = [f"last attempt: {state['operation']} {state['state']}"]
    if state["reason_code"]:
        parts.append(f"because {state['reason_code'].replace('_', ' ')}")
    if state["sent_at"]:
        parts.append(f"sent {_shown(state['sent_at'])}")
    if state["job_id"]:
        parts.append(f"job {state['job_id']}")
    parts.append(f"try {state['attempt_count']}")
    if state["quarantined_at"]:
        parts.append(f"in quarantine since {_shown(state['quarantined_at'])}")
    yield ", ".join(parts)


def _held(held: Mapping[str, Any], name: str) -> str:
    return _value(held[name]) if name in held else "nothing"


def _value(value: Any) -> str:
    if value == _UNSETTLED:
        return "not known whether it arrived"
    return "cleared" if value is None else _shown(value)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case bool():
            return "yes" if value else "no"
        case None:
            return "–"
        case list() | tuple():
            return "[" + ", ".join(_shown(each) for each in value) + "]"
    return str(value)
