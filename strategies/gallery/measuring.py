"""How a publication's figures come to be computed: asked for here, computed by the app that runs backtests.

Strategies lie below backtests, so that app registers itself here (`AppConfig.ready`).
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

_senders: list[Callable[[int], bool]] = []


def register(send: Callable[[int], bool]) -> None:
    """Make `send(publication id)` what hands the work to a worker; False: nobody took the message, ask again later."""
    _senders[:] = [send]


def ask(publication_id: int) -> None:
    """Have the figures computed, once the current transaction is committed."""
    transaction.on_commit(lambda: _senders[0](publication_id))
