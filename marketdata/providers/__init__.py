"""Where bars come from. `marketdata.services.filling.provider_of` gives the provider of a source."""

from __future__ import annotations

from marketdata.providers.base import Capabilities, Listing, Provider, ProviderError, Unavailable

__all__ = ["Capabilities", "Listing", "Provider", "ProviderError", "Unavailable"]
