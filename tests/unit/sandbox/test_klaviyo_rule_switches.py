"""Every switch and fault that Klaviyo and Rule declare is met by a test, in every position."""

from pathlib import Path

import pytest

from sandbox.core.switches import Switch
from sandbox.klaviyo.switches import FAULTS
from sandbox.klaviyo.switches import SWITCHES as KLAVIYO
from sandbox.rule.switches import SWITCHES as RULE

TESTS = Path(__file__).parent


def sources(vendor: str) -> str:
    return "".join(path.read_text() for path in sorted(TESTS.glob(f"*{vendor}*.py")))


@pytest.mark.parametrize(
    ("vendor", "switch"),
    [(name, row) for name, rows in (("klaviyo", KLAVIYO), ("rule", RULE)) for row in rows],
    ids=lambda value: value.name if isinstance(value, Switch) else value,
)
def test_a_switch_is_named_explained_and_tested(vendor: str, switch: Switch) -> None:
    text = sources(vendor)
    assert switch.why, f"say in {switch.name} what is unknown"
    assert f"{switch.name}=" in text, f"no test sets the switch {switch.name} of {vendor}"
    for choice in switch.choices:
        shown = f'"{choice}"' if isinstance(choice, str) else str(choice)
        is_met = shown in text or choice == switch.default
        assert is_met, f"no test sets {switch.name} of {vendor} to {choice}"


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_a_fault_of_klaviyo_is_tested(name: str) -> None:
    assert f"fault({name}=" in sources("klaviyo"), f"no test orders the fault {name}"
