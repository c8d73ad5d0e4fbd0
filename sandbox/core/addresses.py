"""Syntax of e-mail addresses and phone numbers, for the vendors that receive them.

Pure functions. The address check must stay fast: one bulk call brings thousands, so plain
addresses pass a pattern and only unusual ones reach the full parser.
"""

import re

from email_validator import EmailNotValidError, validate_email

MAX_LOCAL_CHARACTERS = 64
PLAIN_EMAIL = re.compile(
    r"[a-z0-9_+'&-]+(?:\.[a-z0-9_+'&-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}",
    re.IGNORECASE,
)
# E.164 with a national number; shorter ones such as +1234 are refused or dropped by vendors.
PHONE = re.compile(r"\+[1-9][0-9]{7,14}")


def is_email(text: str) -> bool:
    """Whether `text` is an address by its syntax; nothing is looked up."""
    text = text.strip()
    if PLAIN_EMAIL.fullmatch(text) and text.index("@") <= MAX_LOCAL_CHARACTERS:
        return True
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def is_phone(text: str) -> bool:
    """Whether `text` is a complete number in E.164 form."""
    return PHONE.fullmatch(text) is not None
