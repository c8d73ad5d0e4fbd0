"""The Yotpo Loyalty v2 API, read side, as documented at https://loyaltyapi.yotpo.com/reference."""

from sandbox.yotpo.api import build

__all__ = ["build"]
