"""The one module that reads the environment (and `.env`), typed; everything else gets values.

Nothing is read at import: `load_settings()` reads, checks all at once and fails with one message
that names every variable to put right. Secrets are `SecretStr`: they print as stars.

Long because each setting stands here with its meaning, and nowhere else.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AliasChoices,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vendor_http import ConfigurationError

SOURCES = ("smile", "yotpo")
DESTINATIONS = ("klaviyo", "rule")
# Where a person may sign in instead of setting a key.
CONNECTABLE = ("klaviyo",)
# Variables that are no settings, because they say where and how settings are used: name -> default,
# meaning. They cannot stand in the file.
ENVIRONMENT_ONLY = {
    "LOYALTY_ENV_FILE": (".env", "file to read settings from, beside real variables"),
    "LOYALTY_DBT_THREADS": ("2", "models that dbt builds at a time"),
}
_HTTP_URL = TypeAdapter(HttpUrl)


def _setting(name: str, default: Any, description: str, **limits: Any) -> Any:
    return Field(
        default=default,
        validation_alias=AliasChoices(name),
        description=description,
        **limits,
    )


def _share(name: str, default: float, description: str) -> Any:
    return _setting(name, default, description, ge=0, le=1)


class Settings(BaseSettings):
    """Every setting of the product; `.env.example` and the README's table are made from this."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=False,
    )

    smile_api_key: SecretStr | None = _setting(
        "SMILE_API_KEY", None, "Smile.io API key with the seven read scopes (Plus or Enterprise)"
    )
    smile_base_url: str = _setting(
        "SMILE_BASE_URL", "https://api.smile.io/v1", "address of Smile.io's REST API"
    )
    smile_requests_per_second: int = _setting(
        "SMILE_REQUESTS_PER_SECOND", 10, "Smile's limit per token; Enterprise may have more", ge=1
    )
    smile_webhook_secret: SecretStr | None = _setting(
        "SMILE_WEBHOOK_SECRET",
        None,
        "client secret of the Smile app whose webhooks are received; it signs them",
    )
    smile_webhook_old_secret: SecretStr | None = _setting(
        "SMILE_WEBHOOK_OLD_SECRET", None, "the secret before, accepted too while it is rotated"
    )
    smile_webhook_header: str | None = _setting(
        "SMILE_WEBHOOK_HEADER",
        None,
        "header that carries Smile's signature, hexadecimal or base64. Smile does not document its "
        "name: look at a delivery, or ask Smile; without it no webhook of Smile is taken",
    )
    yotpo_guid: SecretStr | None = _setting("YOTPO_GUID", None, "Yotpo Loyalty GUID")
    yotpo_api_key: SecretStr | None = _setting("YOTPO_API_KEY", None, "Yotpo Loyalty API key")
    yotpo_base_url: str = _setting(
        "YOTPO_BASE_URL", "https://loyalty.yotpo.com/api/v2", "address of Yotpo's Loyalty API"
    )
    yotpo_requests_per_second: int = _setting(
        "YOTPO_REQUESTS_PER_SECOND", 5, "Yotpo documents 5 and, newer, 10 per merchant", ge=1
    )
    yotpo_member_list: Literal["recent", "recent_window", "all"] = _setting(
        "YOTPO_MEMBER_LIST",
        "recent",
        "which list of members is walked: recent (taken for complete), recent_window (taken for "
        "the recently updated only, so nobody counts as gone) or all (the endpoint of 2020)",
    )
    yotpo_anniversaries: Literal["off", "query", "body"] = _setting(
        "YOTPO_ANNIVERSARIES",
        "off",
        "ask for the anniversary of each new or changed member, one more request each; its e-mail "
        "travels in the query or in the body, which the documentation leaves open",
    )
    yotpo_webhook_secret: SecretStr | None = _setting(
        "YOTPO_WEBHOOK_SECRET",
        None,
        "secret that Yotpo's webhooks must carry (its Webhook Authentication); unset = none is "
        "taken",
    )
    yotpo_webhook_header: str = _setting(
        "YOTPO_WEBHOOK_HEADER",
        "Authorization",
        "where that secret stands: a header, or ?name for a parameter of the query. Yotpo does not "
        "document it; a Bearer before the secret is tolerated",
        min_length=2,
    )
    klaviyo_api_key: SecretStr | None = _setting(
        "KLAVIYO_API_KEY",
        None,
        "Klaviyo private key: profiles, lists, events (read, write), metrics and accounts (read)",
    )
    klaviyo_client_id: str | None = _setting(
        "KLAVIYO_CLIENT_ID",
        None,
        "id of an OAuth app in Klaviyo, for `loyalty connect klaviyo`; a private key wins over it",
    )
    klaviyo_client_secret: SecretStr | None = _setting(
        "KLAVIYO_CLIENT_SECRET", None, "secret of that OAuth app"
    )
    klaviyo_oauth_authorize_url: str = _setting(
        "KLAVIYO_OAUTH_AUTHORIZE_URL",
        "https://www.klaviyo.com/oauth/authorize",
        "page on which a person consents to the OAuth app",
    )
    klaviyo_base_url: str = _setting(
        "KLAVIYO_BASE_URL", "https://a.klaviyo.com", "address of Klaviyo's API"
    )
    klaviyo_revision: str = _setting(
        "KLAVIYO_REVISION", "2026-07-15", "Klaviyo API revision", pattern=r"^\d{4}-\d{2}-\d{2}$"
    )
    klaviyo_clears: Literal["import", "patch", "unset", "bulk_unset"] = _setting(
        "KLAVIYO_CLEARS",
        "import",
        "how a value that ended is cleared: import (null in profile-import), patch (null in PATCH, "
        "by profile id), unset (by name, in profile-import) or bulk_unset (by name in a bulk "
        "import: fast, in Klaviyo's schema, and confirmed by nobody)",
    )
    rule_api_key: SecretStr | None = _setting("RULE_API_KEY", None, "Rule API key")
    rule_base_url: str = _setting("RULE_BASE_URL", "https://app.rule.io", "address of Rule's API")
    rule_requests_per_ten_minutes: int = _setting(
        "RULE_REQUESTS_PER_TEN_MINUTES",
        2000,
        "Rule's limit per account, of all who use it; Rule's answers carry it in "
        "RequestsCount-Allowed",
        ge=100,
    )
    rule_clears: Literal["empty", "delete_group"] = _setting(
        "RULE_CLEARS",
        "empty",
        "how a value that ended is cleared: empty (an empty text) or delete_group (the person's "
        "group Loyalty is deleted and written anew, two requests a person more; other groups get "
        "empty texts). Rule's fields_clear is not offered: it clears other people's fields, too",
    )
    rule_events: bool = _setting(
        "RULE_EVENTS",
        False,
        "on: the tags of live events may start automations in Rule; off: events are told as data, "
        "which starts none",
    )
    rule_active_sign: Literal["status", "opted_in"] = _setting(
        "RULE_ACTIVE_SIGN",
        "status",
        "what tells that a person is active, so that an automation may start: status (Rule shows "
        "it; where it does not, nothing is started) or opted_in (for accounts where somebody has "
        "seen that blocked people are shown as not opted in)",
    )
    webhook_bytes: int = _setting(
        "LOYALTY_WEBHOOK_BYTES", 1_048_576, "longest webhook that is taken, in bytes", ge=1024
    )
    webhook_repeat_hours: float = _setting(
        "LOYALTY_WEBHOOK_REPEAT_HOURS",
        24,
        "the same webhook within so many hours is a repetition and is stored once; Yotpo's bodies "
        "carry neither id nor time, so later it may be another event",
        ge=0,
    )
    inbox_days: int = _setting(
        "LOYALTY_INBOX_DAYS",
        30,
        "webhooks are kept as they came so many days after they were loaded",
        ge=1,
    )
    home: Path = _setting("LOYALTY_HOME", Path(".loyalty"), "folder of all state")
    key_passphrase: SecretStr | None = _setting(
        "LOYALTY_KEY_PASSPHRASE",
        None,
        "encrypts the file that keeps OAuth tokens where the operating system has no key store",
    )
    program_priority: Annotated[tuple[str, ...], NoDecode] = _setting(
        "LOYALTY_PROGRAM_PRIORITY",
        SOURCES,
        "whose values fill the common properties of somebody who is a member of both",
    )
    now: datetime | None = _setting(
        "LOYALTY_NOW", None, "the product's clock, ISO 8601; unset = the real time"
    )
    vendor_properties: bool = _setting(
        "LOYALTY_VENDOR_PROPERTIES", True, "off: leave vendor-named properties to the vendor"
    )
    vendor_events: bool = _setting(
        "LOYALTY_VENDOR_EVENTS",
        True,
        "off: no events are told to Klaviyo and Rule. They bear the names that the vendors' own "
        "integrations use, so switch it off where one of these tells them",
    )
    friend_events: bool = _setting(
        "LOYALTY_FRIEND_EVENTS",
        False,
        "on: events about the friends of a referral are sent, too; they are no members",
    )
    sweep_days: int = _setting(
        "LOYALTY_SWEEP_DAYS",
        7,
        "the daily refresh reads Smile's ledger and coupons in full, to see what vanished, when "
        "that was last done so many days ago",
        ge=1,
    )
    smile_tier_basis: Literal["points", "amount"] = _setting(
        "LOYALTY_SMILE_TIER_BASIS", "points", "what Smile's tiers count; no API tells"
    )
    live_event_hours: int = _setting(
        "LOYALTY_LIVE_EVENT_HOURS",
        48,
        "an event older than so many hours when it is told is history: it starts no flow and no "
        "automation",
        ge=0,
    )
    rejected_share: float = _setting(
        "LOYALTY_REJECTED_SHARE",
        0.05,
        "a sync fails when the vendor rejects more than this share of its rows (and more than 10)",
        ge=0,
        le=1,
    )
    rejection_attempts: int = _setting(
        "LOYALTY_REJECTION_ATTEMPTS",
        7,
        "a row that a vendor refused so many runs in a row is set aside until `loyalty rejections "
        "--release`",
        ge=1,
    )
    guard_changed: float = _share(
        "LOYALTY_GUARD_CHANGED",
        0.5,
        "a sync waits for approval when more than this share of the people written to would change",
    )
    guard_cleared: float = _share(
        "LOYALTY_GUARD_CLEARED", 0.1, "the same for people who would lose everything"
    )
    guard_losing: float = _share(
        "LOYALTY_GUARD_LOSING", 0.3, "the same for people who would lose at least one value"
    )
    guard_swing: float = _share(
        "LOYALTY_GUARD_SWING",
        0.3,
        "the same when the model's rows differ by more than this share from the last five runs",
    )
    guard_without_email: float = _share(
        "LOYALTY_GUARD_WITHOUT_EMAIL", 0.3, "the same for members without an e-mail; 1 = never"
    )
    guard_live_events: float = _setting(
        "LOYALTY_GUARD_LIVE_EVENTS",
        10,
        "a sync of events waits for approval when it would tell more than 1,000 live ones, and "
        "more than so many times what the last five runs told",
        ge=1,
    )
    least_accuracy: float = _share(
        "LOYALTY_LEAST_ACCURACY",
        0.99,
        "a read-back fails when a smaller share of the people it read is as the vendor accepted",
    )
    ui_host: str = _setting(
        "LOYALTY_UI_HOST",
        "127.0.0.1",
        "address at which `loyalty serve` opens the Dagster UI, which asks nobody for a password",
    )
    ui_port: int = _setting("LOYALTY_UI_PORT", 3000, "port of that UI", ge=1, le=65535)
    webhook_host: str = _setting(
        "LOYALTY_WEBHOOK_HOST", "127.0.0.1", "address at which `loyalty serve` takes webhooks"
    )
    webhook_port: int = _setting(
        "LOYALTY_WEBHOOK_PORT", 8770, "port of that receiver", ge=1, le=65535
    )
    refresh_at: str = _setting(
        "LOYALTY_REFRESH_AT",
        "05:15",
        "time of the daily refresh, HH:MM in LOYALTY_TIMEZONE; by default after the night in which "
        "shops and vendors do their own batches",
        pattern=r"^([01]?\d|2[0-3]):[0-5]\d$",
    )
    timezone: str = _setting(
        "LOYALTY_TIMEZONE", "UTC", "time zone of all schedules, for instance Europe/Stockholm"
    )
    max_stale_hours: float = _setting(
        "LOYALTY_MAX_STALE_HOURS",
        20,
        "a sync holds back whoever belongs to a programme that was last read longer ago; below the "
        "24 hours between two refreshes, so that a night that failed is not sent as if it were new",
        gt=0,
    )
    fresh_hours: float = _setting(
        "LOYALTY_FRESH_HOURS",
        30,
        "a layer (raw, marts, published, synced) counts as stale after so many hours: a day, the "
        "refresh itself, and time to repeat it",
        gt=0,
    )
    rows_lost: float = _share(
        "LOYALTY_ROWS_LOST",
        0.3,
        "nothing is published when a table of members, rewards, tiers, ledger or coupons has lost "
        "more than this share of a programme's rows since it was last published; 1 = never mind",
    )
    set_aside_share: float = _share(
        "LOYALTY_SET_ASIDE_SHARE",
        0.01,
        "a check fails when more than this share of the people at a destination (and more than 10) "
        "are set aside because the vendor refused them too often",
    )
    least_disk_gib: float = _setting(
        "LOYALTY_LEAST_DISK_GIB",
        2.0,
        "a check fails when less is free where LOYALTY_HOME lies: a refresh of a large shop writes "
        "the warehouse, its copy and two published files",
        ge=0,
    )
    ui_url: str | None = _setting(
        "LOYALTY_UI_URL", None, "address of the Dagster UI, for the links in alerts"
    )
    dagster_postgres_url: SecretStr | None = _setting(
        "LOYALTY_DAGSTER_POSTGRES_URL",
        None,
        "PostgreSQL for Dagster's runs, postgresql://user:password@host/database; unset = files "
        "under LOYALTY_HOME. Needs the extra `postgres`",
    )
    keep_run_days: int = _setting(
        "LOYALTY_KEEP_RUN_DAYS",
        90,
        "Dagster's runs, their logs and events are kept so many days",
        ge=1,
    )
    keep_record_days: int = _setting(
        "LOYALTY_KEEP_RECORD_DAYS",
        730,
        "the ledger's record of runs, refusals, jobs and read-backs is kept so many days; what "
        "each vendor holds of each person is kept as long as it is held",
        ge=31,
    )
    keep_quarantine_days: int = _setting(
        "LOYALTY_KEEP_QUARANTINE_DAYS",
        180,
        "values that could not be read as their column's type are kept so many days",
        ge=1,
    )
    keep_leftover_days: int = _setting(
        "LOYALTY_KEEP_LEFTOVER_DAYS",
        14,
        "extractions that were never finished, simulations, and homes that a restore moved aside "
        "are kept so many days",
        ge=2,
    )
    published_mode: str = _setting(
        "LOYALTY_PUBLISHED_MODE",
        "0440",
        "rights of the published file, octal: 0440 lets the group of its folder read, 0400 only "
        "this user, 0444 everybody on the machine. It holds e-mails",
        pattern=r"^0?4[04][04]$",
    )
    alert_webhook: SecretStr | None = _setting(
        "LOYALTY_ALERT_WEBHOOK",
        None,
        "Slack-compatible incoming webhook that alerts are posted to; the address is a secret",
    )
    alert_email_to: Annotated[tuple[str, ...], NoDecode] = _setting(
        "LOYALTY_ALERT_EMAIL_TO", (), "addresses that alerts are mailed to, with commas between"
    )
    alert_email_from: str | None = _setting(
        "LOYALTY_ALERT_EMAIL_FROM", None, "sender of the alerts; unset = the first receiver"
    )
    smtp_host: str | None = _setting(
        "LOYALTY_SMTP_HOST", None, "mail server for alerts; needed with LOYALTY_ALERT_EMAIL_TO"
    )
    smtp_port: int = _setting("LOYALTY_SMTP_PORT", 587, "port of that server", ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = _setting(
        "LOYALTY_SMTP_SECURITY",
        "starttls",
        "starttls (usual on 587), tls (from the first byte, usual on 465) or none (a relay on this "
        "machine)",
    )
    smtp_user: str | None = _setting("LOYALTY_SMTP_USER", None, "user at that server; unset = none")
    smtp_password: SecretStr | None = _setting(
        "LOYALTY_SMTP_PASSWORD", None, "password of that user"
    )

    @field_validator("program_priority", "alert_email_to", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("program_priority")
    @classmethod
    def _check_priority(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(SOURCES))
        if unknown or len(set(value)) != len(value) or not value:
            raise ValueError(f"names of programmes, each once, out of {', '.join(SOURCES)}")
        return value + tuple(name for name in SOURCES if name not in value)

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("no time zone of that name, for instance Europe/Stockholm")
        return value

    @field_validator("now")
    @classmethod
    def _to_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator(
        "smile_base_url",
        "yotpo_base_url",
        "klaviyo_base_url",
        "klaviyo_oauth_authorize_url",
        "rule_base_url",
        "ui_url",
    )
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        _HTTP_URL.validate_python(value)
        return value.rstrip("/")

    @field_validator("alert_webhook")
    @classmethod
    def _is_secret_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                _HTTP_URL.validate_python(value.get_secret_value())
            except ValidationError:  # its text would show the secret
                raise ValueError("no http address") from None
        return value

    @model_validator(mode="after")
    def _yotpo_needs_both(self) -> Self:
        if (self.yotpo_guid is None) != (self.yotpo_api_key is None):
            missing = "YOTPO_GUID" if self.yotpo_guid is None else "YOTPO_API_KEY"
            raise ValueError(f"Yotpo needs YOTPO_GUID and YOTPO_API_KEY; {missing} is missing")
        return self

    @model_validator(mode="after")
    def _mail_needs_a_server(self) -> Self:
        if self.alert_email_to and self.smtp_host is None:
            raise ValueError("LOYALTY_ALERT_EMAIL_TO needs LOYALTY_SMTP_HOST, which is missing")
        return self

    @model_validator(mode="after")
    def _klaviyo_app_needs_both(self) -> Self:
        if (self.klaviyo_client_id is None) != (self.klaviyo_client_secret is None):
            absent = "ID" if self.klaviyo_client_id is None else "SECRET"
            raise ValueError(
                "a Klaviyo app needs KLAVIYO_CLIENT_ID and KLAVIYO_CLIENT_SECRET; "
                f"KLAVIYO_CLIENT_{absent} is missing"
            )
        return self

    def base_url(self, vendor: str) -> str:
        """Where `vendor` (a source or a destination) is reached."""
        return str(getattr(self, f"{vendor}_base_url"))

    def clears(self, destination: str) -> str:
        """How a value that ended is cleared at a destination."""
        return str(getattr(self, f"{destination}_clears"))

    def has_key(self, vendor: str) -> bool:
        """Whether `vendor` takes part at all: it has a key, or somebody signed in there."""
        return getattr(self, f"{vendor}_api_key") is not None or self.is_connected(vendor)

    def is_connected(self, vendor: str) -> bool:
        """Whether `loyalty connect` has signed in at `vendor` from this home."""
        return connection_file(self.home, vendor).exists()

    def nothing_to_read(self) -> str | None:
        """What to set when no programme has a key, in words; None when one has."""
        if any(self.has_key(source) for source in SOURCES):
            return None
        return (
            "No programme to read: set SMILE_API_KEY, or YOTPO_GUID and YOTPO_API_KEY, in the "
            f"environment or in {_file()}. `loyalty demo` shows everything with simulated vendors"
        )

    def left_out(self) -> list[str]:
        """One line per vendor that takes no part, naming the setting that would change it."""
        return [
            f"{vendor} is left out: {missing(vendor)}"
            for vendor in (*SOURCES, *DESTINATIONS)
            if not self.has_key(vendor)
        ]


def missing(vendor: str) -> str:
    """What a vendor that takes no part lacks, in words."""
    if vendor == "yotpo":
        return "YOTPO_GUID and YOTPO_API_KEY not set"
    if vendor in CONNECTABLE:
        return f"{key_name(vendor)} not set, and no `loyalty connect {vendor}`"
    return f"{key_name(vendor)} not set"


def connection_file(home: Path, vendor: str) -> Path:
    """What remembers that `loyalty connect` signed in at `vendor`; holds no token."""
    return home / "connections" / f"{vendor}.json"


def key_name(vendor: str) -> str:
    """The variable that holds a vendor's key."""
    return f"{vendor.upper()}_API_KEY"


def variable_names() -> dict[str, str]:
    """Field of `Settings` → environment variable, in the order of declaration."""
    names = {}
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        names[field] = str(alias.choices[0]) if isinstance(alias, AliasChoices) else field
    return names


def load_settings() -> Settings:
    """Read environment and `.env` (`LOYALTY_ENV_FILE` names another file); real variables win.

    Raises:
        ConfigurationError: one line that names every variable with an unusable value.
    """
    try:
        return Settings(_env_file=_file())  # type: ignore[call-arg]
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise ConfigurationError(f"Settings cannot be used: {problems}") from None


def _file() -> str:
    name = "LOYALTY_ENV_FILE"
    return os.environ.get(name, ENVIRONMENT_ONLY[name][0])


def _explain(problem: Any) -> str:
    location = str(problem["loc"][0]) if problem["loc"] else ""
    name = variable_names().get(location, location)
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {reason}" if name else reason
