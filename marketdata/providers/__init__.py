"""Where bars come from. `get(source)` gives the provider of an instrument's source."""

from __future__ import annotations

from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError

__all__ = ["Capabilities", "Listing", "Provider", "ProviderError"]
