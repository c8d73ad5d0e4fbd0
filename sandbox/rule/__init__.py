"""The simulated Rule API: subscribers, custom fields, tags, suppressions; v2 and v3.

Its facts come from Rule's documentation and official SDK; what those leave open is a switch
(`switches.py`). `build` is all the server needs.
"""

from sandbox.context import SandboxContext
from sandbox.core.app import VendorApp
from sandbox.rule.app import RuleApp


def build(context: SandboxContext) -> VendorApp:
    """The vendor of one sandbox."""
    return RuleApp(context)
