"""The audit trail: nobody changes it through us, and tampering behind our back is found."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts.models import AuditEvent, AuditHead
from accounts.services import audit
from tradingsite.lib.append_only import WrittenOnce

pytestmark = pytest.mark.row("M4")


def verify() -> str:
    out = io.StringIO()
    call_command("verify_audit", stdout=out)
    return out.getvalue().strip()


def found() -> str:
    said = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", stderr=said)
    return said.getvalue()


@contextmanager
def guards_off():
    """What somebody with the keys to the database can do."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ALTER TABLE accounts_auditevent DISABLE TRIGGER USER")
            yield cursor
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'accounts_auditevent'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")
        yield cursor


def test_events_are_kept_in_words_and_hang_together(alice, bob, carol):
    audit.record(alice, "order.submitted", target="order 1", detail={"qty": 5, "px": "10.50"})
    audit.record(carol, "user.disabled", target="user 2", owner=bob)
    audit.record(None, "session.halted", owner=alice)
    first, second = AuditEvent.objects.filter(chain=alice.pk)
    assert (first.actor, second.actor, second.actor_id) == ("alice", "the platform", None)
    assert second.prev_hash == first.hash
    assert first.detail == {"px": "10.50", "qty": 5}
    assert verify() == "The audit trail is whole: 3 events in 2 chains."
    alice.delete()
    assert verify() == "The audit trail is whole: 3 events in 2 chains."


def test_what_is_undone_leaves_no_event(alice):
    with transaction.atomic():
        audit.record(alice, "order.submitted")
        transaction.set_rollback(True)
    audit.record(alice, "order.denied")
    assert AuditEvent.objects.get().seq == 1
    with pytest.raises(ValueError):
        audit.record(alice, "x", detail={"px": float("nan")})
    assert "1 events" in verify()


def test_code_cannot_change_or_delete_an_event(alice):
    event = audit.record(alice, "order.submitted")
    event.action = "nothing happened"
    for attempt in (event.save, event.delete, AuditEvent.objects.all().delete):
        with pytest.raises(WrittenOnce):
            attempt()
    with pytest.raises(WrittenOnce):
        AuditEvent.objects.filter(pk=event.pk).update(action="x")


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_auditevent SET actor = 'bob'", "DELETE FROM accounts_auditevent"]
)
def test_the_database_refuses_too(alice, statement):
    audit.record(alice, "order.submitted")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEvent.objects.get().actor == "alice"


@pytest.mark.parametrize(
    ("tampering", "words"),
    [
        ("UPDATE accounts_auditevent SET detail_text = '{\"qty\":6}' WHERE seq = 2", "event 2: was changed"),
        ("UPDATE accounts_auditevent SET actor = 'bob' WHERE seq = 3", "event 3: was changed"),
        ("DELETE FROM accounts_auditevent WHERE seq = 2", "events 2 to 2 are missing"),
        ("DELETE FROM accounts_auditevent WHERE seq = 3", "events 3 to 3 are missing"),
        ("DELETE FROM accounts_auditevent", "all 3 events are missing"),
        ("UPDATE accounts_auditevent SET seq = 9 WHERE seq = 3", "events 3 to 8 are missing"),
    ],
)
def test_tampering_is_found(alice, tampering, words):
    for qty in (1, 2, 3):
        audit.record(alice, "order.submitted", detail={"qty": qty})
    with guards_off() as cursor:
        cursor.execute(tampering)
    assert words in found()


def test_a_changed_event_with_a_hash_of_its_own_is_found(alice):
    for qty in (1, 2, 3):
        audit.record(alice, "order.submitted", detail={"qty": qty})
    for seq, words in ((2, "event 3: does not follow"), (3, "its last event is not the one")):
        event = AuditEvent.objects.get(seq=seq)
        event.detail_text = '{"qty":7}'
        with guards_off() as cursor:
            cursor.execute(
                "UPDATE accounts_auditevent SET detail_text = %s, hash = %s WHERE seq = %s",
                [event.detail_text, event.digest(), seq],
            )
        assert words in found()


def test_an_event_slipped_in_is_found(alice):
    audit.record(alice, "order.submitted")
    forged = AuditEvent(chain=alice.pk, seq=2, actor="alice", action="x", prev_hash=AuditEvent.objects.get().hash)
    forged.hash = forged.digest()
    forged.save()
    assert "beyond its recorded end" in found()


@pytest.mark.django_db(transaction=True)
def test_parallel_writers_make_one_chain(alice):
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        for _ in range(5):
            audit.record(alice, "order.submitted", detail={"n": number})
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert AuditHead.objects.get(pk=alice.pk).seq == 40
    assert verify() == "The audit trail is whole: 40 events in 1 chains."
