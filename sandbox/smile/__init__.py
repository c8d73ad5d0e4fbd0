"""The Smile.io REST API, read side, as documented at https://dev.smile.io/api/introduction."""

from sandbox.smile.api import build

__all__ = ["build"]
