"""LOYALTY_HOME never mixes simulated people with real accounts."""

from pathlib import Path

import pytest

from orchestration.home import Home, claim, is_simulated
from vendor_http import ConfigurationError

SIMULATED = "http://127.0.0.1:8765/smile/v1"
REAL = "https://api.smile.io/v1"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.mark.parametrize(
    ("address", "simulated"),
    [
        ("http://127.0.0.1:1/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:8/x", True),
        ("https://a.klaviyo.com", False),
        ("http://127.0.0.1.evil.shop", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_addresses_of_this_machine_are_simulators(address: str, simulated: bool) -> None:
    assert is_simulated(address) is simulated


def test_a_home_stays_in_the_world_it_began_in(home: Home) -> None:
    claim(home, "smile", SIMULATED)
    claim(home, "smile", "http://localhost:9999")  # another port is the same world
    with pytest.raises(ConfigurationError, match="holds data of a simulated smile"):
        claim(home, "smile", REAL)


def test_simulated_people_never_reach_a_real_destination(home: Home) -> None:
    claim(home, "smile", SIMULATED)
    with pytest.raises(ConfigurationError, match="real klaviyo"):
        claim(home, "klaviyo", "https://a.klaviyo.com")


def test_real_people_may_be_tried_against_a_simulated_destination(home: Home) -> None:
    claim(home, "smile", REAL)
    claim(home, "klaviyo", "http://127.0.0.1:8765/klaviyo")


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"LOYALTY_HOME .* cannot be written"):
        Home(tmp_path / "file" / "home").prepare()
