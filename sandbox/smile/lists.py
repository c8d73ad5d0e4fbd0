"""The cursor lists of the Smile API: filters, keyset pages and their metadata (smile.md §2.1).

A filtered selection is made once and kept until `forget` is called, so that paging through it does
not filter anew for each page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from sandbox.core.calls import Call, Reply, json_reply
from sandbox.core.switches import Switches
from sandbox.smile import parameters
from sandbox.smile.paging import Cursor, cut_page, decode
from sandbox.smile.rows import Row

Test = Callable[[Any], bool]
Select = Callable[[str], Test]


class CursorLists:
    """Makes pages of records that are given by ascending id."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._selections: dict[tuple[Any, ...], Sequence[Any]] = {}

    def forget(self) -> None:
        """Drop the selections: a record or a switch has changed."""
        self._selections.clear()

    def page(
        self,
        call: Call,
        key: str,
        records: Callable[[], Sequence[Any]],
        selects: Mapping[str, Select],
        render: Callable[[Any], Row],
    ) -> Reply:
        """A page of a cursor list; `selects` turns a filter's value into a test of a record."""
        size = parameters.size(
            call.query.get("limit"), "limit", self._switches["page_size_out_of_range"]
        )
        values = {name: call.query[name] for name in selects if name in call.query}
        cursor = self._cursor(call)
        remembers = self._switches["cursor_remembers_filters"]
        if cursor is not None and remembers and cursor.filters:
            values = orjson.loads(cursor.filters)
        chosen = (key, *sorted(values.items()))
        selection = self._selections.get(chosen)
        if selection is None:
            tests = [selects[name](value) for name, value in values.items()]
            selection = records()
            if tests:
                selection = [row for row in selection if all(test(row) for test in tests)]
            self._selections[chosen] = selection
        if call.list_share < 1:  # the head of the list is its newest rows, the end of the selection
            selection = selection[len(selection) - math.ceil(len(selection) * call.list_share) :]
        page, following, preceding = cut_page(selection, cursor, size)
        filters = orjson.dumps(values).decode() if remembers and values else ""
        end = "" if self._switches["end_cursor"] == "empty" else None
        return json_reply(
            {
                key: [render(record) for record in page],
                "metadata": {
                    "next_cursor": (
                        end if following is None else Cursor(following, "next", filters).encode()
                    ),
                    "previous_cursor": (
                        end
                        if preceding is None
                        else Cursor(preceding, "previous", filters).encode()
                    ),
                },
            }
        )

    def _cursor(self, call: Call) -> Cursor | None:
        text = call.query.get("cursor")
        if not text:
            return None
        cursor = decode(text)
        if cursor is None and self._switches["malformed_cursor"] == "error":
            raise parameters.RefusedError("`cursor` is not valid.")
        return cursor

    def since(self, *, inclusive: bool) -> Select:
        keeps_equal = inclusive or self._switches["updated_at_min"] == "inclusive"

        def select(value: str) -> Test:
            moment = parameters.moment(value, "updated_at_min")
            if keeps_equal:
                return lambda record: self._updated_at(record) >= moment
            return lambda record: self._updated_at(record) > moment

        return select

    def _updated_at(self, record: Any) -> str:
        if not self._switches["updated_at_moves_with_points"] and hasattr(record, "touched_at"):
            return str(record.touched_at)
        return str(record.updated_at)

    def of_customer(self, value: str) -> Test:
        number = parameters.integer(value, "customer_id")
        return lambda record: bool(record.customer_id == number)

    def one_of(self, field: str, name: str, known: Sequence[str]) -> Select:
        def select(value: str) -> Test:
            wanted = {parameters.choice(part, name, known) for part in value.split(",")}
            return lambda record: getattr(record, field) in wanted

        return select
