"""Hosts that have frozen in the middle of a write: the locks that they hold are taken from them.

PostgreSQL ends a session by itself that is idle inside a transaction (`bots.host.threads`), but not one of whose
pipeline it waits for the next statement. So hosts look after each other.
"""

from __future__ import annotations

import logging

from django.db import ProgrammingError, connection

log = logging.getLogger(__name__)
DATABASE_NAME = "tradewright-host"  # of their threads, as PostgreSQL knows them
FROZEN_S = 10.0  # a write takes milliseconds; a lease lasts longer


def release_locks(frozen_s: float = FROZEN_S) -> int:
    """End the database sessions of hosts' threads whose transactions began so long ago; how many there were. Who was
    frozen finds its connection broken when it wakes up, and its lease gone."""
    if connection.vendor != "postgresql":
        return 0
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
                " AND usename = current_user AND application_name = %s AND pid <> pg_backend_pid()"
                " AND xact_start < clock_timestamp() - make_interval(secs => %s)",
                [DATABASE_NAME, frozen_s],
            )
            (ended,) = cursor.fetchone()
    except ProgrammingError as error:  # a server that does not let us; leases are renewed all the same
        log.warning("locks of frozen hosts cannot be released: %s", error)
        return 0
    if ended:
        log.warning("%d transactions of hosts that have frozen were ended", ended)
    return int(ended)
