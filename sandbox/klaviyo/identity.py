"""Syntax of e-mail addresses and phone numbers, and the ids that Klaviyo hands out.

Pure functions. The address check must stay fast: a bulk job brings 10,000 of them, so plain
addresses pass a pattern and only unusual ones reach the full parser. It must not decide what
happens to a bad value; that depends on the endpoint.
"""

import base64
import re
from datetime import datetime

from email_validator import EmailNotValidError, validate_email

# https://developers.klaviyo.com/en/reference/profiles_api_overview
MAX_EMAIL_CHARACTERS = 100
PLAIN_EMAIL = re.compile(
    r"[a-z0-9_+'&-]+(?:\.[a-z0-9_+'&-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}",
    re.IGNORECASE,
)
# E.164 with a national number; shorter ones such as +1234 were seen to be dropped.
PHONE = re.compile(r"\+[1-9][0-9]{7,14}")
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# An odd factor maps counters 1:1 onto 80 bits, so that ids look random and never repeat.
SCRAMBLE = 0x9E3779B97F4A7C15F39D
BAD_EMAIL = "Invalid email address"
BAD_PHONE = "Invalid phone number format (Example of a valid format: +12345678901)"


def email_key(email: str) -> str:
    """The form under which addresses are compared: trimmed and lower-cased."""
    return email.strip().lower()


def is_email(text: str) -> bool:
    """Whether Klaviyo would take `text` as an address (syntax and its length of 100)."""
    text = text.strip()
    if len(text) > MAX_EMAIL_CHARACTERS:
        return False
    if PLAIN_EMAIL.fullmatch(text) and text.index("@") <= 64:
        return True
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def is_phone(text: str) -> bool:
    """Whether `text` is a complete number in E.164 form."""
    return PHONE.fullmatch(text) is not None


def ulid(moment: datetime, counter: int) -> str:
    """A 26-character profile id: 48 bits of milliseconds, 80 bits from the counter."""
    number = (int(moment.timestamp() * 1000) << 80) | (counter * SCRAMBLE % (1 << 80))
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def short_id(counter: int, length: int = 6) -> str:
    """A short id such as those of metrics, lists and (longer) events."""
    number = counter * SCRAMBLE % (32**length)
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in range(length))


def opaque_id(text: str) -> str:
    """URL-safe base64 without padding: job ids and page cursors."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_opaque(token: str) -> str:
    """The text behind `opaque_id`; raises ValueError for anything else."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
