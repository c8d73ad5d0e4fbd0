"""How Klaviyo compares and checks identifiers, and the ids that it hands out.

Pure functions. It must not decide what happens to a bad value; that depends on the endpoint.
"""

import base64
from datetime import datetime

from sandbox.core import addresses

# https://developers.klaviyo.com/en/reference/profiles_api_overview
MAX_EMAIL_CHARACTERS = 100
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
    return len(text.strip()) <= MAX_EMAIL_CHARACTERS and addresses.is_email(text)


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
