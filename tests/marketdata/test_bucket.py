"""Bars in a bucket of an S3-compatible store: written once, read by every machine, copied where they are read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from marketdata import selectors
from marketdata import store as stores
from marketdata.bucket import Bucket, BucketAway
from marketdata.columns import DAY
from marketdata.models import Coverage, Instrument
from marketdata.services import series, watchlist
from marketdata.store import BarStore, SeriesKey, StoreDamaged
from tests.marketdata.conftest import made_bars
from tests.marketdata.s3 import BUCKET, KEY, SECRET, Store, serving

pytestmark = pytest.mark.row("P9")

ROOT = Path(__file__).resolve().parents[2]
SERIES = SeriesKey("file", None, "BRK.B", "1d")  # its folder has a per cent sign: what a signature trips over first


@pytest.fixture
def s3() -> Iterator[Store]:
    with serving() as store:
        yield store


@pytest.fixture
def bucket(s3: Store) -> Bucket:
    return Bucket(s3.url, BUCKET, KEY, SECRET, prefix="one/site")


@pytest.fixture
def machine(bucket: Bucket, tmp_path: Path) -> Callable[..., BarStore]:
    """`machine("a")`: the store as a machine of that name has it, with a directory of its own."""
    return lambda name, **changes: BarStore(tmp_path / name, bucket, **changes)


def copies(store: BarStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def test_what_one_machine_writes_another_reads_bit_for_bit_and_asks_for_once(
    s3: Store, machine: Callable[..., BarStore]
) -> None:
    bars = made_bars(500)
    manifest = machine("a").write(SERIES, bars)
    assert sorted(s3.objects) == sorted(f"one/site/{entry['file']}" for entry in manifest.values())
    other = machine("b")
    assert other.read(manifest).content_hash() == bars.content_hash()
    asked = len(s3.asked)
    assert other.read(manifest).content_hash() == bars.content_hash()
    assert machine("a").read(manifest).content_hash() == bars.content_hash()
    assert len(s3.asked) == asked, "copies are never out of date"
    assert len(copies(other)) == len(manifest) == 2, "nothing unfinished is left"


def test_a_spoiled_copy_is_fetched_again_and_a_spoiled_file_is_said(
    s3: Store, machine: Callable[..., BarStore]
) -> None:
    bars = made_bars(10)
    manifest = machine("a").write(SERIES, bars)
    other = machine("b")
    for spoil in (lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        other.read(manifest)
        spoil(copies(other)[0])
        assert other.read(manifest).content_hash() == bars.content_hash()
    copies(machine("a"))[0].write_bytes(b"")
    machine("a").write(SERIES, bars)
    assert machine("c").read(manifest).content_hash() == bars.content_hash(), "no spoiled copy is sent"

    foreign = machine("d").write(SERIES, made_bars(10, seed=2))["2024"]["file"]
    key = f"one/site/{manifest['2024']['file']}"
    s3.objects[key] = s3.objects[f"one/site/{foreign}"]
    with pytest.raises(StoreDamaged, match="is not what was written"):
        machine("e").read(manifest)
    assert copies(machine("e")) == []
    del s3.objects[key]
    with pytest.raises(StoreDamaged, match="cannot be read"):
        machine("e").read(manifest)


def test_a_store_that_is_away_or_refuses_is_no_damage_and_tells_no_secret(
    s3: Store, bucket: Bucket, tmp_path: Path
) -> None:
    manifest = BarStore(tmp_path / "a", bucket).write(SERIES, made_bars(10))

    def told(asked: Bucket) -> str:
        with pytest.raises(BucketAway) as caught:
            BarStore(tmp_path / "b", asked).read(manifest)
        with pytest.raises(OSError):
            BarStore(tmp_path / "c", asked).write(SERIES, made_bars(10))
        assert SECRET not in f"{caught.value!r} {asked!r}"
        return str(caught.value)

    assert "SignatureDoesNotMatch" in told(replace(bucket, secret="another"))
    assert "SignatureDoesNotMatch" in told(replace(bucket, key="another"))
    assert "NoSuchBucket" in told(replace(bucket, name="nobodys"))
    assert "does not answer" in told(replace(bucket, url="http://127.0.0.1:1"))
    s3.away = True
    assert "SlowDown" in told(bucket)
    assert BarStore(tmp_path / "a", bucket).read(manifest), "who has a copy goes on"


def test_copies_that_were_read_longest_ago_make_room(
    machine: Callable[..., BarStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "ROOM_EVERY_S", 0.0)
    manifest = machine("a").write(SERIES, made_bars(40_000, step_ns=DAY // 48))
    assert len(manifest) == 3
    whole = machine("b")
    whole.read(manifest)
    size = sum(path.stat().st_size for path in copies(whole))
    os.utime(copies(whole)[0], (1, 1))
    small = machine("b", copies_mb=(size - 1) / 1_000_000)
    copies(whole)[2].unlink()
    newest = {name: entry for name, entry in manifest.items() if name == max(manifest)}
    small.read(newest)
    assert [path.name[:4] for path in copies(small)] == sorted(manifest)[1:]
    assert small.read(manifest).content_hash() == whole.read(manifest).content_hash()


@pytest.mark.django_db
def test_as_a_setting_with_files_that_nothing_names_swept_from_it(
    s3: Store, bucket: Bucket, settings: Any, instrument: Instrument
) -> None:
    settings.BARS_S3_URL, settings.BARS_S3_BUCKET, settings.BARS_S3_PREFIX = s3.url, BUCKET, "one/site"
    settings.BARS_S3_KEY, settings.BARS_S3_SECRET = KEY, SECRET
    bars = made_bars(1_000)
    for count in (900, 1_000):
        series.put(instrument, "1d", bars.take(slice(0, count)), (int(bars.ts[0]), int(bars.ts[count - 1]) + DAY))
    row = Coverage.objects.get()
    named = {f"one/site/{entry['file']}" for entry in row.files.values()}
    assert len(s3.objects) == 4, "the last year was written twice"
    s3.objects["one/site/notes.txt"] = s3.objects["another/2024-aa.parquet"] = (b"not ours", s3.objects[min(named)][1])
    cache.delete("bars-bucket-swept")
    assert series.sweep_store() == 0, "too young to go"
    for key, (data, sent) in list(s3.objects.items()):
        s3.objects[key] = (data, sent - timedelta(hours=2))
    assert series.sweep_store() == 0, "a bucket is looked through once an hour"
    cache.delete("bars-bucket-swept")
    assert series.sweep_store() == 1
    assert set(s3.objects) == named | {"one/site/notes.txt", "another/2024-aa.parquet"}
    settings.BARS_DIR = f"{settings.BARS_DIR}-of-another-machine"
    assert selectors.stored_bars(row).content_hash() == bars.content_hash()


@pytest.mark.django_db
def test_a_bucket_that_is_away_is_said_by_api_and_pages_and_comes_back(
    s3: Store, settings: Any, instrument: Instrument, client: Client, alice: User, tmp_path: Path
) -> None:
    settings.BARS_S3_URL, settings.BARS_S3_BUCKET = s3.url, BUCKET
    settings.BARS_S3_KEY, settings.BARS_S3_SECRET = KEY, SECRET
    bars = made_bars(10)
    series.put(instrument, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    settings.BARS_DIR = str(tmp_path / "of another machine")
    watchlist.replace(alice, [instrument.symbol])
    client.force_login(alice)
    chart = f"/data/instruments/{instrument.pk}/bars?timeframe=1d"
    asked = [
        (f"/api/market-data/{instrument.symbol}?timeframe=1d&source={instrument.source}", "application/json"),
        (chart, "application/json"),  # the chart's script
        (chart, "text/html"),
    ]
    settings.BARS_S3_SECRET = "another"  # refused at once; one that is away is tried again for a while
    for address, kind in asked:
        answer = client.get(address, headers={"accept": kind})
        assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (503, kind), address
        assert answer["Retry-After"]
        assert b"The store of bars cannot be reached right now" in answer.content
        assert b"BARS_S3_URL" in answer.content, "operators are told where to look"
    page = client.get(f"/data/instruments/{instrument.pk}/")
    assert page.status_code == 200, "what the rows know is shown"
    dashboard = client.get("/")
    assert dashboard.status_code == 200
    assert b"the store of bars cannot be reached" in dashboard.content
    assert client.get("/api/watchlist").json()["symbols"][0]["is_away"] is True

    settings.BARS_S3_SECRET = SECRET
    cache.delete("marketdata:bars-away")  # which ends by itself after some seconds
    for address, kind in asked[:2]:
        assert client.get(address, headers={"accept": kind}).status_code == 200
    assert client.get("/api/watchlist").json()["symbols"][0]["last_px"] == pytest.approx(bars.close[-1])


@pytest.mark.row("H14")
def test_config_check_tries_it(s3: Store, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "VAR_DIR": str(tmp_path),
        "BARS_S3_BUCKET": BUCKET,
        "BARS_S3_URL": s3.url,
        "BARS_S3_KEY": KEY,
        "BARS_S3_SECRET": SECRET,
    }

    def line(**changes: str) -> str:
        argv = [sys.executable, "manage.py", "config", "--check"]
        done = subprocess.run(argv, cwd=ROOT, env=env | changes, capture_output=True, text=True)
        assert SECRET not in done.stdout + done.stderr
        return next(text for text in done.stdout.splitlines() if "bucket of bars" in text)

    assert line().startswith("ok")
    assert s3.objects == {}, "its probe is taken away again"
    assert "SignatureDoesNotMatch" in line(BARS_S3_SECRET="other")
