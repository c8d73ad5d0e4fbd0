"""Who the shop's customers are: made-up people, one per customer of the purchase history.

A person's traits depend on the seed and the customer's number only, so a smaller sandbox holds the
same people as a larger one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandbox.shop.dice import below, unit
from sandbox.shop.names import NAMES

DOMAINS = (
    "mail.loyalty-sandbox.dev",
    "mail.loyalty-sandbox.dev",
    "post.loyalty-sandbox.dev",
    "home.loyalty-sandbox.dev",
)
"""Own domains: Klaviyo drops example.com and test.com, mail checkers refuse special suffixes."""

SMILE_SHARE, YOTPO_SHARE = 0.60, 0.35
"""The rest, 5 %, is in both programmes."""

YEARLESS = 1004
"""The year Smile writes when only day and month of birth are known (smile.md §5.1)."""

_TRANSLITERATED = {"ø": "o", "ł": "l", "đ": "d", "ß": "ss", "æ": "ae", "ı": "i"}


@dataclass(frozen=True, slots=True)
class Person:
    """One customer. `birthday` is (year or None, month, day); `smile` and `yotpo` tell where."""

    number: int
    first_name: str | None
    last_name: str | None
    smile_email: str | None
    yotpo_email: str
    phone: str | None
    birthday: tuple[int | None, int, int] | None
    smile: bool
    yotpo: bool


def _ascii(name: str) -> str:
    text = "".join(_TRANSLITERATED.get(letter, letter) for letter in name.lower())
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain if letter.isalnum() or letter in "'-").strip("-'")


def _email(seed: int, number: int, first: str, last: str) -> str:
    parts = [part for part in (_ascii(first), _ascii(last)) if part] or ["shopper"]
    style = unit(seed, number, 21)
    separator = "." if style < 0.6 else "_" if style < 0.8 else ""
    tag = "+shop" if unit(seed, number, 22) < 0.03 else ""
    domain = DOMAINS[below(len(DOMAINS), seed, number, 23)]
    return f"{separator.join(parts)}{number}{tag}@{domain}"


def _birthday(seed: int, number: int) -> tuple[int | None, int, int] | None:
    if unit(seed, number, 31) >= 0.55:
        return None
    month = 1 + below(12, seed, number, 32)
    last = 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    day = 1 + below(last, seed, number, 33)
    if unit(seed, number, 34) < 0.35:
        return None, month, day
    year = 1948 + below(58, seed, number, 35)
    return (year - year % 4 if (month, day) == (2, 29) else year), month, day


def person(seed: int, number: int) -> Person:
    """The person behind a customer number."""
    languages = (0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8)
    language = languages[below(len(languages), seed, number, 11)]
    _, firsts, lasts, prefix = NAMES[language]
    first = firsts[below(len(firsts), seed, number, 12)]
    last = lasts[below(len(lasts), seed, number, 13)]
    email = _email(seed, number, first, last)
    place = unit(seed, number, 14)
    in_smile = place < SMILE_SHARE or place >= SMILE_SHARE + YOTPO_SHARE
    in_yotpo = place >= SMILE_SHARE
    shouted = unit(seed, number, 24)
    capital = email.title() if shouted < 0.5 else email.upper()
    named = unit(seed, number, 15)
    phone = None
    if unit(seed, number, 16) < 0.6:
        phone = f"{prefix}7{below(10**8, seed, number, 17):08}"
    return Person(
        number=number,
        first_name=None if named < 0.02 else first,
        last_name=None if named < 0.03 else last,
        smile_email=(
            None
            if unit(seed, number, 25) < 0.015 and not in_yotpo
            else capital
            if unit(seed, number, 26) < 0.04
            else email
        ),
        yotpo_email=capital if unit(seed, number, 27) < 0.04 else email,
        phone=phone,
        birthday=_birthday(seed, number),
        smile=in_smile,
        yotpo=in_yotpo,
    )


def population(seed: int, numbers: Sequence[int]) -> dict[int, Person]:
    """Everybody, by customer number; a few Smile customers share the e-mail of another one."""
    people = {number: person(seed, number) for number in numbers}
    alone: Person | None = None
    for number in numbers:
        current = people[number]
        if current.yotpo or current.smile_email is None:
            continue
        if alone is not None:
            people[number] = replace(current, smile_email=alone.smile_email)
            alone = None
        elif unit(seed, number, 28) < 0.006:
            alone = current
    return people
