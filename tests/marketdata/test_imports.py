"""Bringing in files: by page, API and command; all of a file or nothing of it."""

from __future__ import annotations

import io
import os
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Tier, User
from marketdata import selectors
from marketdata.models import Coverage, DataImport, Instrument
from marketdata.services import imports, load_bars
from marketdata.store import BarStore
from tests.servers import wait_until

GOOD = "time,open,high,low,close,volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,100\n"
BAD = GOOD + "2024-01-04,11,1,10,12,100\n2024-01-05,x,1,10,12,100\n"


def upload(content: str | bytes = GOOD, name: str = "bars.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())


def submitted(user: User, content: str | bytes = GOOD, name: str = "bars.csv", **options: str) -> DataImport:
    return imports.submit(user, upload(content, name), **({"symbol": "TEST"} | options))


def leftovers(settings: Any) -> list[Path]:
    return [path for path in Path(settings.UPLOADS_DIR).rglob("*") if path.is_file()]


@pytest.mark.row("A5", "A8")
def test_a_good_file_becomes_the_users_own_instrument(xnys, alice: User, bob: User, settings) -> None:
    row = submitted(alice)
    assert (row.state, row.size_bytes, row.path.is_file()) == ("queued", len(GOOD), True)
    done = imports.run(row.pk)
    assert done is not None
    assert (done.state, done.faults) == ("done", [])
    assert done.result == {
        "timeframe": "1d",
        "rows": 2,
        "notes": [],
        "symbols": [
            {"symbol": "TEST", "added": 2, "changed": 0, "unchanged": 0, "total": 2, "missing": 0, "outside": 0}
        ],
    }
    assert leftovers(settings) == []
    loaded = load_bars(["TEST"], "1d", "2024-01-01", "2024-01-31", source="file", owner=alice)
    assert loaded.bars["TEST"].close.tolist() == [11, 12]
    assert selectors.instruments(bob, "TEST").count() == 0
    assert imports.run(row.pk) is None  # a second delivery of the message finds nothing to do


@pytest.mark.row("A8")
def test_a_bad_file_is_refused_with_its_faults_and_nothing_of_it_stays(xnys, alice: User, settings) -> None:
    done = imports.run(submitted(alice, BAD).pk)
    assert done is not None
    assert (done.state, done.result) == ("refused", {})
    assert [(fault["path"], fault["code"]) for fault in done.faults] == [
        ("row 4, column high", "high_below_low"),
        ("row 5, column open", "not_a_number"),
    ]
    assert (Instrument.objects.count(), Coverage.objects.count()) == (0, 0)
    assert leftovers(settings) == []
    assert list(Path(settings.BARS_DIR).rglob("*.parquet")) == []


def test_when_the_second_symbol_cannot_be_stored_neither_is_the_first(
    xnys, alice: User, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "symbol,time,open,high,low,close,volume\nAAA,2024-01-02,10,12,9,11,1\nBBB,2024-01-02,10,12,9,11,1\n"
    write = BarStore.write

    def full_on_the_second(self: BarStore, key: Any, columns: Any) -> Any:
        if key.symbol == "BBB":
            raise OSError(28, "No space left on device")
        return write(self, key, columns)

    monkeypatch.setattr(BarStore, "write", full_on_the_second)
    done = imports.run(submitted(alice, text, symbol="").pk)
    assert done is not None
    assert (done.state, done.faults[0]["code"]) == ("failed", "not_stored")
    assert "No space left" in done.faults[0]["message"]
    assert (Instrument.objects.count(), Coverage.objects.count()) == (0, 0)


def test_importing_again_adds_and_corrects(xnys, alice: User) -> None:
    imports.run(submitted(alice).pk)
    more = GOOD.replace("12,9,11,100", "12,9,11.5,100") + "2024-01-04,12,13,11,12,100\n"
    done = imports.run(submitted(alice, more).pk)
    assert done is not None
    entry = done.result["symbols"][0]
    assert [entry[name] for name in ("added", "changed", "unchanged", "total")] == [1, 1, 1, 3]
    other = imports.run(submitted(alice, more, calendar="24/7").pk)
    assert other is not None
    assert other.faults[0]["code"] == "conflict"


@pytest.mark.parametrize("name", ["../../etc/passwd", "con", "a" * 5000 + ".csv", "<script>alert(1)</script>.csv", ""])
def test_the_senders_name_is_never_a_path(alice: User, settings, name: str) -> None:
    file = upload()
    file._name = name  # past Django's own clean-up, as a hostile client library would
    row = imports.submit(alice, file, symbol="TEST")
    assert row.path == Path(settings.UPLOADS_DIR) / f"{row.pk.hex}.upload"
    assert [path.name for path in leftovers(settings)] == [row.path.name]
    assert len(row.filename) <= 255
    assert "/" not in row.filename


def test_a_dead_worker_is_noticed_once_retried_and_then_given_up(alice: User, settings) -> None:
    row = submitted(alice)
    long_ago = timezone.now() - timedelta(hours=1)
    DataImport.objects.filter(pk=row.pk).update(state="running", attempts=1, started_at=long_ago, created_at=long_ago)
    assert imports.revive_stuck() == 1
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("queued", 1)
    DataImport.objects.filter(pk=row.pk).update(state="running", attempts=2, started_at=long_ago)
    assert imports.revive_stuck() == 0
    row.refresh_from_db()
    assert (row.state, row.faults[0]["code"]) == ("failed", "worker_died")
    assert leftovers(settings) == []


def test_a_damaged_series_is_told_as_such_and_left_alone(alice: User, settings, store_root: Path) -> None:
    imports.run(submitted(alice).pk)
    before = Coverage.objects.get()
    for path in store_root.rglob("*.parquet"):
        path.write_bytes(b"no bars any more")
    row = imports.run(submitted(alice, GOOD.replace("2024-01-03", "2024-01-04")).pk)
    assert row is not None
    assert (row.state, row.attempts, row.faults[0]["code"]) == ("failed", 1, "not_stored")
    assert Coverage.objects.get().content_hash == before.content_hash
    assert leftovers(settings) == []


def test_forgotten_uploads_are_swept_and_waiting_ones_kept(alice: User, settings) -> None:
    row = submitted(alice)
    orphan = Path(settings.UPLOADS_DIR) / f"{uuid.uuid4().hex}.upload"
    orphan.write_bytes(b"x")
    for path in (orphan, row.path):
        os.utime(path, (time.time() - 4000,) * 2)
    assert imports.sweep_uploads() == 1
    assert leftovers(settings) == [row.path]


# --- API -------------------------------------------------------------------------------------------------------------
URL = "/api/data/import"


@pytest.mark.row("A8")
def test_upload_over_the_api_and_watch_it(xnys, api, alice: User, bob: User) -> None:
    caller = api(alice)
    answer = caller.post(URL, {"file": upload(), "symbol": "test"}, format="multipart")
    assert answer.status_code == 202, answer.json()
    location = answer["Location"]
    assert answer.json()["state"] == "queued"
    assert answer.json()["result"] is None
    imports.run(answer.json()["id"])
    body = caller.get(location).json()
    assert (body["state"], body["result"]["symbols"][0]["added"]) == ("done", 2)
    assert [row["id"] for row in caller.get("/api/data/imports").json()["results"]] == [body["id"]]

    stranger, nothing = api(bob).get(location), api(bob).get(f"/api/data/imports/{uuid.uuid4()}")
    assert stranger.status_code == nothing.status_code == 404
    assert {**stranger.json(), "request_id": ""} == {**nothing.json(), "request_id": ""}
    assert api(bob).get("/api/data/imports").json()["count"] == 0


@pytest.mark.row("A8")
@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({}, "file", "required"),
        ({"file": ""}, "file", "invalid"),
        ({"file": b""}, "file", "empty_file"),
        ({"file": GOOD, "timeframe": "7m"}, "timeframe", "unknown_choice"),
        ({"file": GOOD, "calendar": "XMARS"}, "calendar", "unknown_choice"),
        ({"file": GOOD, "zone": "Mars/Olympus"}, "zone", "unknown_choice"),
        ({"file": GOOD, "symbol": "../x"}, "symbol", "bad_symbol"),
        ({"file": GOOD, "owner": "1"}, "owner", "unknown_field"),
    ],
)
def test_a_wrong_field_is_named(api, alice: User, settings, fields: dict[str, Any], path: str, code: str) -> None:
    sent = {name: upload(value) if name == "file" and value != "" else value for name, value in fields.items()}
    answer = api(alice).post(URL, sent, format="multipart")
    assert answer.status_code == 400
    assert (path, code) in [(fault["path"], fault["code"]) for fault in answer.json()["errors"]]
    assert (DataImport.objects.count(), leftovers(settings)) == (0, [])


@pytest.mark.row("A8")
def test_a_file_over_the_limit_answers_413(api, alice: User, settings) -> None:
    Tier.objects.filter(pk="FREE").update(max_upload_mb=1)
    large = b"x" * 1_000_001
    answer = api(alice).post(URL, {"file": upload(large), "symbol": "TEST"}, format="multipart")
    assert answer.status_code == 413, answer.json()
    assert answer.json()["maximum"] == 1
    Tier.objects.filter(pk="FREE").update(max_upload_mb=None)
    settings.IMPORT_MAX_MB = 1
    assert api(alice).post(URL, {"file": upload(large), "symbol": "TEST"}, format="multipart").status_code == 413
    # The length alone decides, before a byte of the body is read.
    named = api(alice).generic("POST", URL, b"", "multipart/form-data; boundary=x", CONTENT_LENGTH=str(10 * 1024**3))
    assert named.status_code == 413
    assert (DataImport.objects.count(), leftovers(settings)) == (0, [])


@pytest.mark.row("A8")
def test_waiting_imports_and_kept_bars_are_limited_by_the_tier(xnys, api, alice: User, bob: User, settings) -> None:
    Tier.objects.filter(pk="FREE").update(max_waiting_imports=1, max_stored_bars=2)
    first = api(alice).post(URL, {"file": upload(GOOD), "symbol": "TEST", "timeframe": "1d"}, format="multipart")
    assert first.status_code == 202
    second = api(alice).post(URL, {"file": upload(GOOD), "symbol": "TEST", "timeframe": "1d"}, format="multipart")
    assert (second.status_code, second.json()["limit"]) == (403, "max_waiting_imports")
    assert len(leftovers(settings)) == 1, "the refused file is not kept"

    imports.run(first.json()["id"])
    full = api(alice).post(URL, {"file": upload(GOOD), "symbol": "MORE", "timeframe": "1d"}, format="multipart")
    assert (full.status_code, full.json()["limit"]) == (403, "max_stored_bars")
    assert full.json()["current"] >= 2
    # another user's bars are not counted
    assert (
        api(bob).post(URL, {"file": upload(GOOD), "symbol": "TEST", "timeframe": "1d"}, format="multipart").status_code
        == 202
    )


def test_login_is_needed(client) -> None:
    assert client.post(URL).status_code == 401
    assert client.get("/api/data/imports").status_code == 401
    assert client.get("/data/import/").status_code == 302


# --- Page ------------------------------------------------------------------------------------------------------------
@pytest.mark.row("A8")
def test_the_page_takes_a_file_shows_its_state_and_its_faults(xnys, client, alice: User) -> None:
    client.force_login(alice)
    assert b'name="file"' in client.get("/data/import/").content
    sent = {"file": upload(BAD, '<b>"evil".csv'), "symbol": "test", "timeframe": "", "calendar": "XNYS", "zone": "UTC"}
    answer = client.post("/data/import/", sent)
    row = DataImport.objects.get()
    assert (answer.status_code, answer.url) == (302, f"/data/imports/{row.pk}/")
    waiting = client.get(answer.url).content.decode()
    assert 'hx-trigger="every 1s"' in waiting
    assert "<b>" not in waiting
    imports.run(row.pk)
    part = client.get(answer.url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "hx-trigger" not in part  # finished: the page stops asking
    assert "row 4, column high" in part
    assert "Nothing was imported" in part


def test_a_refused_form_keeps_what_was_typed(client, alice: User, settings) -> None:
    client.force_login(alice)
    fields = {"symbol": "my symbol", "timeframe": "1h", "calendar": "24/7", "zone": "UTC"}
    answer = client.post("/data/import/", {**fields, "file": upload()})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="my symbol"' in page
    assert "is not a symbol" in page
    assert client.post("/data/import/", fields).status_code == 400
    settings.IMPORT_MAX_MB = 0
    large = client.post("/data/import/", {"symbol": "X", "calendar": "XNYS", "zone": "UTC", "file": upload()})
    assert large.status_code == 413
    assert DataImport.objects.count() == 0


# --- Command ---------------------------------------------------------------------------------------------------------
def test_the_command_imports_for_everybody_or_for_one_user(xnys, alice: User, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(GOOD)
    bad.write_text(BAD)
    out = io.StringIO()
    call_command("import_bars", str(good), "--symbol", "test", stdout=out)
    assert out.getvalue() == "TEST 1d: 2 bars added, 0 changed, 0 unchanged, 2 in all.\n"
    call_command("import_bars", str(good), "--symbol", "MINE", "--user", "alice", stdout=out)
    assert dict(Instrument.objects.values_list("symbol", "owner")) == {"TEST": None, "MINE": alice.pk}
    with pytest.raises(CommandError, match=r"nothing was imported:\n  row 4, column high: high 1 is below low 10"):
        call_command("import_bars", str(bad), "--symbol", "OTHER")
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("import_bars", str(good), "--symbol", "X", "--user", "nobody")
    with pytest.raises(CommandError, match="no file"):
        call_command("import_bars", str(tmp_path / "absent.csv"), "--symbol", "X")
    assert Instrument.objects.count() == 2


# --- Through a real worker -------------------------------------------------------------------------------------------
def test_a_real_worker_reads_what_the_site_queued(transactional_db, start_worker, api, alice: User, settings) -> None:
    # The directories of the whole test process: a worker that other tests share may take the import as well.
    settings.BARS_DIR = str(settings.VAR_DIR / "bars")
    settings.UPLOADS_DIR = str(settings.VAR_DIR / "uploads")
    start_worker()
    answer = api(alice).post(URL, {"file": upload(), "symbol": "TEST", "calendar": "24/7"}, format="multipart")
    assert answer.status_code == 202
    row = DataImport.objects.get()
    wait_until(lambda: DataImport.objects.get(pk=row.pk).finished, "the import to finish", timeout_s=60)
    row.refresh_from_db()
    assert (row.state, row.result["symbols"][0]["added"], row.attempts) == ("done", 2, 1)
