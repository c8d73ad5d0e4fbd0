"""Switches: each thing a vendor's documentation leaves open, with the habit chosen by default.

A switch is a row of a declaration. An unknown name or value is refused, so that a test cannot
believe it switched something that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.core.errors import SandboxError

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Switch:
    """One open question of a vendor.

    `choices` empty means: any value of the default's type. `why` tells what is unknown and where
    that is written.
    """

    name: str
    default: Value
    choices: tuple[Value, ...] = ()
    why: str = ""

    def check(self, value: Any) -> Value:
        """The value, if this switch takes it.

        Raises:
            SandboxError: it does not; the message lists what it takes.
        """
        if self.choices:
            for choice in self.choices:
                if type(choice) is type(value) and choice == value:
                    return choice
            known = ", ".join(repr(choice) for choice in self.choices)
            raise SandboxError(f"Switch '{self.name}' takes {known}, not {value!r}.")
        if isinstance(value, int) and not isinstance(value, bool) and type(self.default) is float:
            return float(value)
        if type(value) is not type(self.default):
            kind = type(self.default).__name__
            raise SandboxError(f"Switch '{self.name}' takes a {kind}, not {value!r}.")
        checked: Value = value
        return checked


class Switches:
    """The switches of one vendor and where they stand: `switches["name"]`."""

    def __init__(self, vendor: str, declared: Sequence[Switch]) -> None:
        self.vendor = vendor
        self.declared = {switch.name: switch for switch in declared}
        if len(self.declared) != len(declared):
            raise SandboxError(f"Two switches of {vendor} have the same name.")
        self._values: dict[str, Value] = {}
        self.reset()

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def reset(self) -> None:
        """Back to the defaults."""
        self._values = {name: switch.default for name, switch in self.declared.items()}

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several at once; all or none.

        Raises:
            SandboxError: a name or a value that is not declared.
        """
        checked: dict[str, Value] = {}
        for name, value in values.items():
            switch = self.declared.get(name)
            if switch is None:
                known = ", ".join(sorted(self.declared))
                raise SandboxError(f"{self.vendor} has no switch '{name}'. It has: {known}.")
            checked[name] = switch.check(value)
        self._values.update(checked)

    def values(self) -> dict[str, Value]:
        return dict(self._values)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Every switch with value, default, choices and reason, as the control API shows it."""
        return {
            name: {
                "value": self._values[name],
                "default": switch.default,
                "choices": list(switch.choices),
                "why": switch.why,
            }
            for name, switch in self.declared.items()
        }
