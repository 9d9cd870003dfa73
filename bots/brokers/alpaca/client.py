"""alpaca-py's client as it has to be for money: no retries of its own, timeouts, no redirects, exact figures."""

from __future__ import annotations

from typing import Any

import requests
from alpaca.trading.client import TradingClient
from requests.adapters import HTTPAdapter

from bots.brokers.alpaca import answers
from bots.brokers.base import Banned, RateLimited, VenueDown
from bots.brokers.pace import Pace

CONNECTIONS = 10
DATA_VERSIONS = {"us_equity": "v2", "crypto": "v1beta3"}


class Client(TradingClient):
    """Sends each request once, within `pace`. timeouts: (connect, read) in seconds."""

    def __init__(self, key: str, secret: str, address: str, *, timeouts: tuple[float, float], pace: Pace) -> None:
        super().__init__(key, secret, url_override=address.rstrip("/"), raw_data=True)
        self._timeouts, self.pace = timeouts, pace
        self._retry = 0
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=CONNECTIONS, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def ask(self, method: str, path: str, data: Any = None, *, base: str = "", version: str = "v2") -> Any:
        """One request; the JSON of its answer. data: the query of GET and DELETE, the body of the others. Raises as
        `Broker` says."""
        return self._request(method, path, data, base_url=base or None, api_version=version)

    def close(self) -> None:
        self._session.close()

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        """The library's own, but for what it makes of answers and how long it waits for them."""
        self.pace.pass_by()
        try:
            response = self._session.request(method, url, timeout=self._timeouts, **opts)
            status, body = response.status_code, response.content
        except requests.RequestException as error:
            raise VenueDown(f"Alpaca does not answer ({type(error).__name__}).") from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        left = headers.get("x-ratelimit-remaining", "")
        if left.isdigit():
            self.pace.told(float(left))
        try:
            return answers.read(status, headers, body)
        except RateLimited as error:
            self.pace.block(error.retry_after_s, ban=isinstance(error, Banned))
            raise
