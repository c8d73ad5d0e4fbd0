"""Takes addresses of people out of texts that other programs wrote, before anybody keeps them."""

import re

_EMAIL = re.compile(r"[^\s'\"<>(),;:]+@[^\s'\"<>(),;:]+")
# Only in the international form: digits alone are counts and ids.
_PHONE = re.compile(r"\+\d[\d ()-]{6,}\d")


def masked(text: str, longest: int = 500) -> str:
    """The text on one line, without e-mails and phone numbers, cut to `longest` characters."""
    return _PHONE.sub("***", _EMAIL.sub("***", " ".join(text.split())))[:longest]
