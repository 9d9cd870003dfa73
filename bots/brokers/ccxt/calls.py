"""ccxt's requests, one at a time, and what its errors mean in the contract's words."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import ccxt

from bots.brokers.base import Banned, RateLimited, Refused, Unauthorised, VenueDown
from bots.brokers.pace import Pace

WAIT_S, BAN_S = 10.0, 120.0
MOST_WORDS = 300
# The narrowest first: ccxt's errors inherit from one another.
REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (ccxt.OrderNotFound, "no_order"), (ccxt.DuplicateOrderId, "duplicate_client_id"),
    (ccxt.OrderImmediatelyFillable, "would_match"), (ccxt.InsufficientFunds, "buying_power"),
    (ccxt.BadSymbol, "no_asset"), (ccxt.MarketClosed, "market_closed"), (ccxt.ManualInteractionNeeded, "invalid"),
)  # fmt: skip
REFUSED = (ccxt.InvalidOrder, ccxt.BadRequest, ccxt.ArgumentsRequired, ccxt.OperationRejected, ccxt.NotSupported)
WORDS = (
    ("price_filter", "price_step"), ("lot_size", "lot_step"), ("notional", "min_notional"), ("max_num", "max_orders"),
    ("duplicate", "duplicate_client_id"), ("immediately match", "would_match"),
    ("trigger immediately", "would_trigger"), ("precision", "lot_step"),
    ("disabled on this account", "account_blocked"),
)  # fmt: skip


class Calls:
    """Calls of one client. ccxt keeps the last answer in the client, so no two of them run at once.

    pace: as many requests as ccxt knows to be allowed; a redirect is never followed, it would send an order twice.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.pace = Pace(60_000 / (client.rateLimit or 1_000))
        client.session.max_redirects = 0
        self._lock = threading.RLock()

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One of ccxt's unified methods. Raises as `Broker` says.

        What the venue refused for its time has not happened: the clocks are compared and it is sent again, once.
        """
        with self._lock:
            function = getattr(self.client, method)
            try:
                return self._once(function, *args, **kwargs)
            except Refused as error:
                if error.code != "clock_skew" or not hasattr(self.client, "load_time_difference"):
                    raise
            self._once(self.client.load_time_difference)
            return self._once(function, *args, **kwargs)

    def _once(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.pace.pass_by()
        try:
            return function(*args, **kwargs)
        except ccxt.BaseError as error:
            meant = self._meaning(error)
            if isinstance(meant, RateLimited):
                self.pace.block(meant.retry_after_s, ban=isinstance(meant, Banned))
            raise meant from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise VenueDown(f"{self.client.name}'s answer cannot be read ({type(error).__name__}).") from None

    def _meaning(self, error: ccxt.BaseError) -> Exception:
        name, text = self.client.name, str(error)
        if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
            if " 418 " in text:
                return Banned(f"{name} has banned this address for a while.", self._wait_s(BAN_S))
            return RateLimited(f"{name} takes no more requests for now.", self._wait_s(WAIT_S))
        if isinstance(error, ccxt.AuthenticationError):
            return Unauthorised(f"{name} does not accept these keys: they are wrong, revoked, or may not do this.")
        if isinstance(error, ccxt.InvalidNonce):
            return Refused("clock_skew", "The venue's clock and ours differ.")
        known = next((word for kind, word in REFUSALS if isinstance(error, kind)), None)
        if known is None and isinstance(error, REFUSED):
            lower = text.lower()
            known = next((word for part, word in WORDS if part in lower), "invalid")
        if known is not None:
            return Refused(known, self._words() or f"{name} refuses it ({type(error).__name__}).")
        return VenueDown(f"{name} does not answer as it should ({type(error).__name__}).")

    def _wait_s(self, default: float) -> float:
        headers = {k.lower(): v for k, v in (getattr(self.client, "last_response_headers", None) or {}).items()}
        try:
            return max(float(headers["retry-after"]), 0.0)
        except (KeyError, ValueError):
            return default

    def _words(self) -> str:
        """What the venue itself said, where its last answer is JSON of the usual kind; else "". ccxt's own text holds
        the whole request."""
        try:
            told = json.loads(self.client.last_http_response or "")
        except ValueError:
            return ""
        names = ("msg", "message", "error") if isinstance(told, dict) else ()
        return next((str(told[name])[:MOST_WORDS] for name in names if told.get(name)), "")
