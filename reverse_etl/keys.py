"""Which e-mails may be a key: refused here rather than by the vendor, where one bad address can
reject a batch of ten thousand.

Syntax only, no DNS. Most addresses are plain; `PLAIN_EMAIL` accepts those in SQL by the million and
the library judges the rest.
"""

from email_validator import EmailNotValidError, validate_email

# Klaviyo, "Profiles API overview": an e-mail has at most 100 characters.
# https://developers.klaviyo.com/en/reference/profiles_api_overview
LONGEST_EMAIL = 100

# A strict subset of what email-validator accepts (a property test keeps it so): no quoted or
# international parts, no double hyphens (punycode has rules of its own), an alphabetic top-level
# domain, a local part of at most 64 characters.
PLAIN_EMAIL = r"^[a-z0-9_+]+([.-][a-z0-9_+]+)*@([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,18}$"
_LONGEST_LOCAL_PART = 64
_LONGEST_LABEL = 63
# Top-level names that RFC 6761 and RFC 9476 reserve; the library decides about them.
_RESERVED = ("alt", "arpa", "invalid", "local", "localhost", "onion", "test")


def plain_email_sql(column: str) -> str:
    """SQL that is true where `column` needs no second look."""
    reserved = ", ".join(f"'{name}'" for name in _RESERVED)
    return (
        f"length({column}) <= {LONGEST_EMAIL}"
        f" and regexp_full_match({column}, '{PLAIN_EMAIL}')"
        f" and length(split_part({column}, '@', 1)) <= {_LONGEST_LOCAL_PART}"
        f" and length({column}) - length(split_part({column}, '@', 1)) <= {_LONGEST_LABEL}"
        f" and split_part({column}, '.', -1) not in ({reserved})"
    )


def email_fault(email: str) -> str | None:
    """Reason code why `email` cannot be a key, or None."""
    if len(email) > LONGEST_EMAIL:
        return "email_too_long"
    try:
        validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return "malformed_email"
    return None
