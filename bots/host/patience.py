"""Waiting for a database that does not answer.

Nothing may be decided on before it is written, and what was written must reach the venue.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connection

log = logging.getLogger(__name__)
T = TypeVar("T")
# The last is what PostgreSQL says while nobody may write: a standby, or a server that is set to read only.
DOWN = (OperationalError, InterfaceError, InternalError)
_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)


def patiently(do: Callable[[], T]) -> T:
    """`do`, which may be done twice, until the database answers."""
    waits = itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1]))
    while True:
        try:
            return do()
        except DOWN:
            wait = next(waits)
            log.warning("the database does not answer; again in %.1f s", wait, exc_info=True)
            connection.close()
            time.sleep(wait)
