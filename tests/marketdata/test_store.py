"""The bar store: whole or not at all, whatever dies, fills up or writes at the same time."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.db import connection

from marketdata import selectors
from marketdata.columns import DAY, SECOND, BarColumns
from marketdata.models import Coverage, Instrument
from marketdata.services import series
from marketdata.store import BarStore, SeriesKey, StoreDamaged
from tests.marketdata.conftest import made_bars, ns

ROOT = Path(__file__).resolve().parents[2]
KEY = SeriesKey("file", None, "TEST", "1d")


def files_under(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def put(instrument: Instrument, bars: BarColumns, timeframe: str = "1d") -> series.Outcome:
    return series.put(instrument, timeframe, bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))


def test_what_is_written_is_read_back_bit_for_bit_by_range_and_year(tmp_path: Path) -> None:
    store, bars = BarStore(tmp_path), made_bars(900, start="2022-06-01")
    manifest = store.write(KEY, bars)
    assert sorted(manifest) == ["2022", "2023", "2024"]
    assert store.read(manifest).content_hash() == bars.content_hash()
    part = store.read(manifest, ns("2022-12-30"), ns("2023-01-03"))
    assert part.ts.tolist() == [ns(f"{day}") for day in ("2022-12-30", "2022-12-31", "2023-01-01", "2023-01-02")]
    assert len(store.read(manifest, ns("2030-01-01"), None)) == 0


@pytest.mark.parametrize("symbol", ["../../etc", "a/b", "CON", ".", "..", "Ä" * 30, "%2E", "BRK.B", "BRK%002EB"])
def test_no_symbol_leads_out_of_the_store_and_no_two_share_a_folder(symbol: str) -> None:
    folder = SeriesKey("file", 7, symbol, "1d").folder()
    assert len(folder.parts) == 4
    assert folder.parts[:2] == ("file", "user-7")
    assert set(folder.parts[2]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%")
    assert folder != SeriesKey("file", 7, symbol + "x", "1d").folder()
    assert folder != SeriesKey("file", None, symbol, "1d").folder()


def test_the_hash_changes_with_any_bit_of_any_bar_and_with_nothing_else() -> None:
    bars = made_bars(300)
    seen = {bars.content_hash()}
    for name in ("ts", "open", "high", "low", "close", "volume"):
        for index in (0, 150, 299):
            array = getattr(bars, name).copy()
            array[index] = np.nextafter(array[index], 1e9) if name != "ts" else array[index] + 1
            seen.add(replace(bars, **{name: array}).content_hash())
    assert len(seen) == 19
    strided = BarColumns(*(np.repeat(a, 2)[::2] for a in (bars.ts, *bars.arrays())))
    assert strided.content_hash() in seen
    assert made_bars(300).content_hash() == bars.content_hash()


def test_merging_counts_new_changed_and_unchanged_bars_and_the_newer_value_wins(instrument: Instrument) -> None:
    bars = made_bars(10)
    assert put(instrument, bars.take(slice(0, 6))) == series.Outcome(added=6, changed=0, unchanged=0, total=6)
    first_hash = Coverage.objects.get().content_hash
    volume = bars.volume.copy()
    volume[4] = 12345.0
    assert put(instrument, replace(bars, volume=volume).take(slice(3, 10))) == series.Outcome(4, 1, 2, 10)
    row = Coverage.objects.get()
    assert (row.bars, row.content_hash != first_hash) == (10, True)
    assert selectors.stored_bars(row).volume.tolist() == volume.tolist()
    assert put(instrument, replace(bars, volume=volume)) == series.Outcome(0, 0, 10, 10)
    assert Coverage.objects.get().content_hash == row.content_hash


def test_a_full_disk_leaves_the_series_as_it_was_and_no_litter(
    instrument: Instrument, store_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(instrument, made_bars(10))
    before, files = Coverage.objects.get(), files_under(store_root)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put(instrument, made_bars(10, start="2025-01-01"))
    assert files_under(store_root) == files
    after = Coverage.objects.get()
    assert (after.content_hash, after.files) == (before.content_hash, before.files)


def test_unnamed_files_are_swept_after_an_hour_and_named_ones_never(instrument: Instrument, store_root: Path) -> None:
    put(instrument, made_bars(10))
    put(instrument, made_bars(12))
    named = {entry["file"] for entry in Coverage.objects.get().files.values()}
    assert len(files_under(store_root)) == 2
    assert series.sweep_store() == 0
    for path in store_root.rglob("*.parquet"):
        os.utime(path, (time.time() - 4000,) * 2)
    assert series.sweep_store() == 1
    assert files_under(store_root) == named


def test_a_missing_or_foreign_file_is_said_and_never_read_as_fewer_bars(
    instrument: Instrument, store_root: Path
) -> None:
    put(instrument, made_bars(10))
    row = Coverage.objects.get()
    path = store_root / row.files["2024"]["file"]
    shorter = BarStore(store_root).write(KEY, made_bars(9))["2024"]["file"]
    path.write_bytes((store_root / shorter).read_bytes())
    with pytest.raises(StoreDamaged, match="9 bars instead of 10"):
        selectors.stored_bars(row)
    path.write_bytes(b"PAR1 rubbish")
    with pytest.raises(StoreDamaged, match="cannot be read"):
        selectors.stored_bars(row)
    path.unlink()
    with pytest.raises(StoreDamaged, match="cannot be read"):
        selectors.stored_bars(row)


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_time_lose_nothing(instrument: Instrument) -> None:
    parts = [made_bars(50, start=f"20{year}-01-01", seed=year) for year in range(10, 16)]
    parts += [made_bars(50, start="2024-01-01", seed=24), made_bars(50, start="2024-02-20", seed=25)]
    failures: list[BaseException] = []
    together = threading.Barrier(len(parts))

    def write(part: BarColumns) -> None:
        try:
            together.wait()
            put(instrument, part)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    row = Coverage.objects.get()
    stored = selectors.stored_bars(row)
    assert row.bars == len(stored) == 400
    for part in parts:
        lo, hi = int(part.ts[0]), int(part.ts[-1]) + 1
        assert stored.between(lo, hi).content_hash() == part.content_hash()


_WRITER = """
import sys, time
import django
django.setup()
from marketdata.models import Instrument
from marketdata.services import series
from marketdata.columns import DAY
from tests.marketdata.conftest import made_bars
instrument = Instrument.objects.get(symbol="TEST")
print("ready", flush=True)
for n in range(10_000):
    bars = made_bars(400 * (1 + n % 3), start="2020-01-01", seed=n)
    series.put(instrument, "1d", bars, (int(bars.ts[0]), int(bars.ts[-1]) + DAY))
    print(n, flush=True)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_at_any_moment_the_series_is_one_that_was_written_whole(
    instrument: Instrument, service_env: dict[str, str], store_root: Path
) -> None:
    env = service_env | {"BARS_DIR": str(store_root)}
    random = np.random.default_rng(7)
    for _round in range(4):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER], env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert writer.stdout.readline()  # one series is written, the next ones are on their way
        time.sleep(float(random.uniform(0.0, 0.08)))
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        row = Coverage.objects.get(instrument=instrument)
        stored = selectors.stored_bars(row)
        assert len(stored) == row.bars
        assert {str(year): part.content_hash() for year, part in stored.years().items()} == {
            year: entry["hash"] for year, entry in row.files.items()
        }
    put(instrument, made_bars(400, start="2020-01-01", seed=99))  # and it can be written on
    tail = made_bars(400, start="2020-01-01", seed=99)
    assert selectors.stored_bars(Coverage.objects.get(), int(tail.ts[0]), int(tail.ts[-1]) + SECOND).close.tolist() == (
        tail.close.tolist()
    )
