"""Takes addresses of people out of texts that other programs wrote, before anybody keeps them."""

import re

_EMAIL = re.compile(r"[^\s'\"<>(),;:]*@[^\s'\"<>(),;:]+")
# Only in the international form: digits alone are counts and ids.
_PHONE = re.compile(r"\+\d[\d ()-]{6,}\d")


def without_addresses(text: str) -> str:
    """The text as it is, line by line, without e-mails and phone numbers."""
    return _PHONE.sub("***", _EMAIL.sub("***", text))


def masked(text: str, longest: int = 500) -> str:
    """The text on one line, without e-mails and phone numbers, cut to `longest` characters."""
    return without_addresses(" ".join(text.split()))[:longest]
