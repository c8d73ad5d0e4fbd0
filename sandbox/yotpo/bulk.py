"""The bulk lists of the Yotpo API: /customers/recent and the /customers/all of 2020.

The order is made once and kept until `forget` is called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.switches import Switches
from sandbox.shop.agenda import end_stamp, normalise, plus_days
from sandbox.shop.yotpo_programme import YotpoProgramme
from sandbox.shop.yotpo_records import Member
from sandbox.yotpo import rows
from sandbox.yotpo.paging import Key, Position, decode, start_of

_ALL_PER_PAGE = 100
"""What the connector of 2020 asked for (yotpo.md §2.1b)."""


class RefusedError(Exception):
    """A request that Yotpo refuses."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class BulkLists:
    """Pages of everybody."""

    def __init__(self, programme: YotpoProgramme, switches: Switches) -> None:
        self._programme = programme
        self._switches = switches
        self._sorted: tuple[list[Key], list[Member]] | None = None

    def forget(self) -> None:
        """Drop the order: a record or a switch has changed."""
        self._sorted = None

    def _number(self, call: Call, name: str, default: int) -> int:
        text = call.query.get(name)
        if text is None:
            return default
        try:
            number = int(text)
        except ValueError as error:
            raise RefusedError(f"{name} must be an integer") from error
        if number < 0:
            raise RefusedError(f"{name} must not be negative")
        return number

    def _size(self, call: Call, position: Position | None) -> int:
        default = self._switches["recent_default_per_page"]
        if position is not None and position.size is not None:
            default = position.size
        size = self._number(call, "per_page", default)
        largest = self._switches["recent_max_per_page"]
        if not 1 <= size <= largest:
            if self._switches["per_page_too_large"] == "error":
                raise RefusedError(f"per_page must be between 1 and {largest}")
            size = min(max(size, 1), largest)
        return size

    def _rows(self, members: Sequence[Member]) -> list[rows.Row]:
        programme, habits = self._programme, self._switches.values()
        return [rows.member_row(one, programme, habits, is_detailed=False) for one in members]

    def _ordered(self) -> tuple[list[Key], list[Member]]:
        if self._sorted is None:
            order = self._switches["recent_sort"]
            days = self._switches["recent_window_days"]
            since = plus_days(end_stamp(self._programme.day), -days) if days else ""
            keyed = sorted(
                (
                    (member.email.lower() if order == "email" else member.last_seen_at, member.id),
                    index,
                    member,
                )
                for index, member in enumerate(self._programme.members.values())
                if member.last_seen_at >= since
            )
            if order == "last_seen_descending":
                keyed.reverse()
            self._sorted = [key for key, _, _ in keyed], [member for _, _, member in keyed]
        return self._sorted

    def recent(self, call: Call) -> Reply:
        keys, members = self._ordered()
        if call.list_share < 1:
            kept = math.ceil(len(keys) * call.list_share)
            keys, members = keys[:kept], members[:kept]
        if self._switches["recent_list_key"] == "bare":
            return json_reply(self._rows(members))
        text = call.query.get("page_info")
        position = decode(text) if text else None
        if text and position is None and self._switches["malformed_cursor"] == "error":
            raise RefusedError("page_info is not valid")
        size = self._size(call, position)
        descending = self._switches["recent_sort"] == "last_seen_descending"
        start = start_of(keys, position, is_descending=descending)
        chosen = members[start : start + size]
        if self._switches["recent_updated_filter"] != "none" and "updated_since" in call.query:
            since = self._moment(call.query["updated_since"])
            chosen = [member for member in chosen if member.last_seen_at >= since]
        is_last = start + size >= len(members)
        cursor: str | None = None
        if not is_last:
            keeps = size if self._switches["cursor_keeps_per_page"] else None
            cursor = Position(keys[start + size - 1], keeps).encode()
        body: dict[str, Any] = {"customers": self._rows(chosen)}
        info: dict[str, Any] = {"next_page_info": cursor}
        if is_last and self._switches["recent_end"] == "empty":
            info = {"next_page_info": ""}
        elif is_last and self._switches["recent_end"] == "absent":
            info = {}
        if self._switches["recent_cursor_key"] == "next_page_info":
            body.update(info)
        else:
            body["metadata"] = info
        return json_reply(body)

    @staticmethod
    def _moment(text: str) -> str:
        try:
            return normalise(text.replace(" ", "+"))
        except ValueError as error:
            raise RefusedError("not an ISO 8601 date-time") from error

    def everybody(self, call: Call) -> Reply:
        """The list of 2020: page numbers, everybody active since a day (yotpo.md §2.1b)."""
        if self._switches["customers_all"] == "off":
            raise RefusedError("Not Found", 404)
        size = max(1, self._number(call, "per_page", _ALL_PER_PAGE))
        page = max(1, self._number(call, "page", 1))
        since = call.query.get("last_seen_at", "")
        members = [one for one in self._programme.members.values() if one.last_seen_at >= since]
        members = members[: math.ceil(len(members) * call.list_share)]
        chosen = members[(page - 1) * size : page * size]
        body: dict[str, Any] = {"customers": self._rows(chosen)}
        if self._switches["customers_all"] == "on":
            body["links"] = {"total_pages": max(1, -(-len(members) // size))}
        return json_reply(body)
