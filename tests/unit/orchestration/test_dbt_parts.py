"""What dbt parsed is kept between builds, and forgotten with the place of the project."""

from pathlib import Path

import pytest

from orchestration import dbt
from orchestration.dbt_build import _target
from orchestration.home import Home


def test_what_dbt_parsed_of_another_checkout_is_parsed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    parsed = _target(home) / "partial_parse.msgpack"
    parsed.write_bytes(b"this checkout")
    assert _target(home) == parsed.parent
    assert parsed.exists()
    monkeypatch.setattr(dbt, "PROJECT_FOLDER", tmp_path / "upgraded" / "dbt_project")
    _target(home)
    assert not parsed.exists()
