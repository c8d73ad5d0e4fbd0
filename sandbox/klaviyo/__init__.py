"""The simulated Klaviyo API: profiles, bulk import jobs, events, metrics.

Its facts come from Klaviyo's published OpenAPI document and guides; what those leave open is a
switch (`switches.py`). `build` is all the server needs.
"""

from sandbox.context import SandboxContext
from sandbox.core.app import VendorApp
from sandbox.klaviyo.app import KlaviyoApp


def build(context: SandboxContext) -> VendorApp:
    """The vendor of one sandbox."""
    return KlaviyoApp(context)
