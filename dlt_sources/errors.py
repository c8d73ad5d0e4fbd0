"""Errors of extraction; see `vendor_http.errors` for the tree they join."""

from vendor_http import LoyaltyError


class UnexpectedAnswerError(LoyaltyError):
    """The vendor answered, but not in the documented shape: nothing of this extract is loaded."""


class ImplausibleListingError(LoyaltyError):
    """A full listing is so short that believing it would mark a large part as deleted."""


class ExtractError(LoyaltyError):
    """Extraction failed for a reason that is none of the vendor's answers (disk, dlt, a bug)."""


class WarehouseLoadError(LoyaltyError):
    """The extracted files are on disk, but DuckDB did not take them."""
