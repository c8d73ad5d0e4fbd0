"""Rule's Retry-After and its error share."""

import httpx
import pytest

from reverse_etl.destinations.rule_pauses import AnswerWatch, stockholm_wait_seconds


@pytest.mark.parametrize(
    ("retry_after", "answered", "seconds"),
    [
        # As recorded against the real API: summer time, two hours ahead of UTC.
        ("2026-05-14 14:22:16", "Thu, 14 May 2026 12:12:16 GMT", 600),
        ("2026-11-21 07:10:00", "Sat, 21 Nov 2026 06:00:00 GMT", 600),
        ("2026-11-21 06:00:00", "Sat, 21 Nov 2026 06:00:00 GMT", 0),
        # Summer time begins: from 01:55 to 03:05 by the clock on the wall.
        ("2026-03-29 03:05:00", "Sun, 29 Mar 2026 00:55:00 GMT", 600),
        # It ends: 02:05 comes once before and once after 02:55.
        ("2026-10-25 02:05:00", "Sun, 25 Oct 2026 00:55:00 GMT", 600),
        ("2026-10-25 02:05:00", "Sat, 24 Oct 2026 23:55:00 GMT", 600),
        ("2026-10-25 03:05:00", "Sun, 25 Oct 2026 01:55:00 GMT", 600),
        ("30", "Sat, 21 Nov 2026 06:00:00 GMT", 30),
        ("soon", "Sat, 21 Nov 2026 06:00:00 GMT", 600),
    ],
)
def test_the_wait_is_counted_from_the_answers_own_date_in_stockholm(
    retry_after: str, answered: str, seconds: float
) -> None:
    response = httpx.Response(429, headers={"retry-after": retry_after, "date": answered})
    assert stockholm_wait_seconds(response) == seconds


def test_only_a_429_asks_for_a_pause() -> None:
    watch = AnswerWatch()
    assert watch(httpx.Response(200)) is None
    assert watch(httpx.Response(500, headers={"retry-after": "9"})) is None
    assert watch(httpx.Response(429, headers={"retry-after": "9"})) == 9
    assert watch.longest_pause == 9


def test_room_for_errors_ends_below_forty_per_cent_and_comes_back_with_time() -> None:
    now = [0.0]
    watch = AnswerWatch(clock=lambda: now[0])
    for status in [200] * 12 + [400] * 6:
        watch(httpx.Response(status))
    assert watch.leaves_room()  # one more error makes 7 of 19
    watch(httpx.Response(400))
    assert not watch.leaves_room()  # one more would make 8 of 20
    now[0] = 601.0
    assert watch.leaves_room()
