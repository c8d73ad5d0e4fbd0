"""Settings: typed, all problems at once, secrets never shown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from orchestration.settings import Settings, load_settings, variable_names
from reverse_etl.declarations import CLEARS
from vendor_http import ConfigurationError


def test_without_any_variable_every_vendor_is_left_out_and_said_so() -> None:
    settings = load_settings()
    assert settings.left_out() == [
        "smile is left out: SMILE_API_KEY not set",
        "yotpo is left out: YOTPO_GUID and YOTPO_API_KEY not set",
        "klaviyo is left out: KLAVIYO_API_KEY not set, and no `loyalty connect klaviyo`",
        "rule is left out: RULE_API_KEY not set",
    ]


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMILE_API_KEY", "")
    assert not load_settings().has_key("smile")


def test_all_unusable_variables_are_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMILE_BASE_URL", "smile")
    monkeypatch.setenv("LOYALTY_NOW", "yesterday")
    monkeypatch.setenv("LOYALTY_SMILE_TIER_BASIS", "stars")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    for name in ("SMILE_BASE_URL", "LOYALTY_NOW", "LOYALTY_SMILE_TIER_BASIS"):
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_of_yotpos_credentials_names_the_missing_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("YOTPO_GUID", "guid")
    with pytest.raises(ConfigurationError, match="YOTPO_API_KEY is missing"):
        load_settings()


def test_half_of_a_klaviyo_app_names_the_missing_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLAVIYO_CLIENT_ID", "app")
    with pytest.raises(ConfigurationError, match="KLAVIYO_CLIENT_SECRET is missing"):
        load_settings()


def test_the_means_to_clear_a_value_are_those_that_the_plan_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for destination, positions in CLEARS.items():
        assert load_settings().clears(destination) == positions[0], "the default sends no surprise"
        field = Settings.model_fields[f"{destination}_clears"]
        assert get_args(field.annotation) == positions
        for position in positions:
            monkeypatch.setenv(f"{destination.upper()}_CLEARS", position)
            assert load_settings().clears(destination) == position
        monkeypatch.delenv(f"{destination.upper()}_CLEARS")


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMILE_API_KEY", "YOTPO_GUID", "YOTPO_API_KEY", "KLAVIYO_API_KEY", "RULE_API_KEY"):
        monkeypatch.setenv(name, "very-secret")
    for name in ("KLAVIYO_CLIENT_SECRET", "LOYALTY_KEY_PASSPHRASE"):
        monkeypatch.setenv(name, "very-secret")
    monkeypatch.setenv("KLAVIYO_CLIENT_ID", "app")
    assert "very-secret" not in repr(load_settings())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00+02:00", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
    ],
)
def test_the_products_clock_is_utc_whatever_the_spelling(
    text: str, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOYALTY_NOW", text)
    assert load_settings().now == moment


def test_the_priority_names_programmes_and_the_unnamed_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOYALTY_PROGRAM_PRIORITY", "yotpo")
    assert load_settings().program_priority == ("yotpo", "smile")
    monkeypatch.setenv("LOYALTY_PROGRAM_PRIORITY", "yotpo, stamps")
    with pytest.raises(ConfigurationError, match="LOYALTY_PROGRAM_PRIORITY"):
        load_settings()


def test_a_file_gives_settings_and_real_variables_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.env"
    file.write_text("RULE_EVENTS=on\nKLAVIYO_REVISION=2026-10-15\n")
    monkeypatch.setenv("LOYALTY_ENV_FILE", str(file))
    monkeypatch.setenv("KLAVIYO_REVISION", "2026-04-15")
    settings = load_settings()
    assert settings.rule_events is True
    assert settings.klaviyo_revision == "2026-04-15"


def test_every_setting_has_a_variable_and_a_description() -> None:
    from orchestration.settings import Settings

    for field, variable in variable_names().items():
        assert variable.isupper(), field
        assert Settings.model_fields[field].description, field
