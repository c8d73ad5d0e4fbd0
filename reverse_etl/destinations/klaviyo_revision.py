"""How long Klaviyo's API revision still lives; pure, on the real date.

A revision is stable for a year, deprecated for another, then retired and answered with 410 Gone:
https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy
"""

from datetime import date

from vendor_http import ConfigurationError

WARNING_DAYS = 120


def retires_on(revision: str) -> date:
    """The first day on which `revision` (YYYY-MM-DD) is retired: two years after its release.

    Raises:
        ConfigurationError: `revision` is no date.
    """
    try:
        released = date.fromisoformat(revision)
    except ValueError:
        raise ConfigurationError(f"KLAVIYO_REVISION: {revision} is no date") from None
    try:
        return released.replace(year=released.year + 2)
    except ValueError:  # 29 February
        return date(released.year + 2, 3, 1)


def days_left(revision: str, today: date) -> int:
    """Days until `revision` is retired; 0 or less when it is.

    Raises:
        ConfigurationError: `revision` is no date.
    """
    return (retires_on(revision) - today).days


def require_alive(revision: str, today: date) -> None:
    """Refuse a retired revision before a request is spent on it.

    Raises:
        ConfigurationError: `revision` is retired, or no date.
    """
    if days_left(revision, today) <= 0:
        raise ConfigurationError(
            f"Klaviyo retired its API revision {revision} on {retires_on(revision)}: every request "
            "would be answered with 410. Set KLAVIYO_REVISION to a newer one, after reading its "
            "changelog, or upgrade this product"
        )


def warning(revision: str, today: date) -> str | None:
    """One line when `revision` retires within 120 days, else None.

    Raises:
        ConfigurationError: `revision` is no date.
    """
    left = days_left(revision, today)
    if not 0 < left <= WARNING_DAYS:
        return None
    plural = "" if left == 1 else "s"
    return (
        f"Klaviyo retires its API revision {revision} on {retires_on(revision)}, in {left} "
        f"day{plural}; set KLAVIYO_REVISION to a newer one before, or upgrade this product"
    )
