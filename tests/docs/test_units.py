"""The systemd units: understood by systemd, closed where they can be, and true to the product."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("loyalty*"))
INSTALLED = "/opt/loyalty/.venv/bin/loyalty"
HARDENING = {
    *("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "RestrictAddressFamilies"),
    *("CapabilityBoundingSet", "SystemCallFilter", "UMask", "User"),
}


def sections(unit: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return {name: dict(parser[name]) for name in parser.sections()}


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze"
)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_unit(unit: Path, tmp_path: Path) -> None:
    for each in UNITS:  # together, as a timer names its service; with a program that exists
        text = each.read_text().replace(INSTALLED, sys.executable)
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name
)
def test_every_service_runs_as_a_user_of_its_own_and_sees_little_else(unit: Path) -> None:
    service = sections(unit)["Service"]
    assert set(service) >= HARDENING
    assert service["User"] == "loyalty"
    assert re.fullmatch(rf"{re.escape(INSTALLED)} (serve|backup .*)", service["ExecStart"])


def test_the_service_says_itself_when_it_is_ready_and_comes_back_after_a_failure() -> None:
    service = sections(ROOT / "deploy/systemd/loyalty.service")["Service"]
    assert service["Type"] == "notify"
    assert service["Restart"] == "on-failure"


def test_the_unit_waits_longer_for_the_end_than_the_product_does() -> None:
    from orchestration.cli.supervisor import STOP_SECONDS

    service = sections(ROOT / "deploy/systemd/loyalty.service")["Service"]
    assert int(service["TimeoutStopSec"]) > STOP_SECONDS


def test_commands_by_hand_have_the_services_user_state_and_settings(tmp_path: Path) -> None:
    stub = tmp_path / "sudo"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROOT / "deploy/loyalty", "why", "ava lind"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    service = sections(ROOT / "deploy/systemd/loyalty.service")["Service"]
    home = service["Environment"].split()[0]
    settings = f"LOYALTY_ENV_FILE={service['EnvironmentFile']}"
    assert done.stdout.splitlines() == [
        *("-u", service["User"], "env", home, settings, INSTALLED, "why", "ava lind")
    ]
    page = (ROOT / "docs/production.md").read_text()
    assert set(re.findall(r"/\S+\.env\b", page)) <= {
        service["EnvironmentFile"],
        "/opt/loyalty/.env",  # the example's name begins so
    }
