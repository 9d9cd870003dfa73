"""The bar store: Parquet files, one per series and year, never changed once written.

A file's name carries the hash of its bars: `<root>/<provider>/<owner>/<symbol>/<timeframe>/<year>-<hash>.parquet`. A
write makes new files beside the old ones (temporary name, fsync, rename); a series changes only when its `Coverage`
row names the new ones. Killed or out of space in between: the new files are unreachable litter, which `sweep` takes
away, and the series is as it was. Two writers cannot spoil each other's files: equal names mean equal bars.

With a bucket the files lie there, for every machine, and `<root>` holds copies of what this one wrote or read: a name
never means other bars, so a copy is never out of date.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from marketdata.columns import FIELDS, BarColumns

if TYPE_CHECKING:
    import pyarrow as pa

    from marketdata.bucket import Bucket

LITTER_AGE_S = 3600
"""How long an unreferenced file is left: a reader may still be opening it, a writer may be about to name it."""
ROOM_EVERY_S = 60.0
"""How often a process looks whether there are too many copies: it has to ask for the size of each."""
_looked: dict[Path, float] = {}


class YearFile(TypedDict):
    """One entry of `Coverage.files`."""

    file: str
    hash: str
    bars: int
    first: int
    last: int


Manifest = dict[str, YearFile]


class StoreDamaged(RuntimeError):
    """A file that a coverage row names is missing or is not what was written."""


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Which series: provider, owner (user id, or None for everybody's), symbol, timeframe."""

    provider: str
    owner_id: int | None
    symbol: str
    timeframe: str

    def folder(self) -> Path:
        """Relative directory; any symbol gives one safe path segment, and no two symbols the same."""
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else f"%{ord(c):04X}" for c in self.symbol)
        owner = "shared" if self.owner_id is None else f"user-{self.owner_id}"
        return Path(self.provider) / owner / safe / self.timeframe


class BarStore:
    """Reads and writes year files under `root`. It knows no database; `marketdata.services.series` pairs it with
    rows.

    bucket: where the files lie for several machines; copies_mb: how much of it is kept under `root`.
    """

    def __init__(self, root: str | Path, bucket: Bucket | None = None, *, copies_mb: int = 20_000) -> None:
        self.root, self.bucket, self._copies_mb = Path(root), bucket, copies_mb

    def write(self, key: SeriesKey, columns: BarColumns) -> Manifest:
        """Write each year of `columns`; returns the manifest entries. Nothing refers to the files yet.

        Raises OSError (disk full, no permission, the bucket does not answer); no file with a final name is then
        incomplete.
        """
        folder = self.root / key.folder()
        folder.mkdir(parents=True, exist_ok=True)
        manifest: Manifest = {}
        for year, part in columns.years().items():
            digest = part.content_hash()
            path = folder / f"{year}-{digest[:20]}.parquet"
            name = path.relative_to(self.root).as_posix()
            self._write_file(path, part)
            if self.bucket is not None:
                self.bucket.send(name, path)
            manifest[str(year)] = YearFile(
                file=name,
                hash=digest,
                bars=len(part),
                first=int(part.ts[0]),
                last=int(part.ts[-1]),
            )
        return manifest

    def read(
        self, manifest: Mapping[str, YearFile], start_ns: int | None = None, end_ns: int | None = None
    ) -> BarColumns:
        """Bars of a series that start in [start_ns, end_ns), opening only the years that are needed.

        Raises StoreDamaged when a named file is missing or unreadable, OSError when the bucket does not answer.
        """
        parts = []
        for year in sorted(manifest, key=int):
            entry = manifest[year]
            if (start_ns is not None and entry["last"] < start_ns) or (end_ns is not None and entry["first"] >= end_ns):
                continue
            parts.append(self._read_file(entry))
        columns = BarColumns.concat(parts)
        if start_ns is None and end_ns is None:
            return columns
        lowest, highest = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        return columns.between(lowest if start_ns is None else start_ns, highest if end_ns is None else end_ns)

    def sweep(self, referenced: Iterable[str], *, now: float | None = None) -> int:
        """Delete files under `root` that no manifest names and that are older than an hour; returns how many."""
        keep = set(referenced)
        now = time.time() if now is None else now
        removed = 0
        if not self.root.is_dir():
            return 0
        for path in self.root.rglob("*"):
            if path.is_dir() or path.relative_to(self.root).as_posix() in keep:
                continue
            try:
                if now - path.stat().st_mtime > LITTER_AGE_S:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # another sweep was faster
        return removed

    def sweep_bucket(self, referenced: Iterable[str], *, now: float | None = None) -> int:
        """As `sweep`, in the bucket. Raises OSError."""
        now = time.time() if now is None else now
        return 0 if self.bucket is None else self.bucket.remove_old(referenced, before=now - LITTER_AGE_S)

    def _write_file(self, path: Path, part: BarColumns) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if path.is_file() and self.bucket is None:
            os.utime(path)  # the same bars are there already; keep `sweep` away from them until a row names them
            return
        arrays = [_arrow(part.ts, pa.int64()), *(_arrow(a, pa.float64()) for a in part.arrays())]
        temporary = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with temporary.open("wb") as handle:
                pq.write_table(pa.Table.from_arrays(arrays, names=["ts", *FIELDS]), handle, compression="zstd")
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _read_file(self, entry: YearFile) -> BarColumns:
        path = self.root / entry["file"]
        if self.bucket is None:
            return _opened(path, entry)
        try:
            columns = _opened(path, entry)
            os.utime(path)  # the copies that were read last are kept
            return columns
        except (StoreDamaged, FileNotFoundError):
            pass  # no copy yet, one that was just taken away, or one that a full disk spoiled
        try:
            self.bucket.fetch(entry["file"], path)
        except FileNotFoundError as error:
            raise StoreDamaged(f"bar file {entry['file']} cannot be read: {error}") from error
        columns = _opened(path, entry)
        if columns.content_hash() != entry["hash"]:
            path.unlink(missing_ok=True)
            raise StoreDamaged(f"bar file {entry['file']} is not what was written")
        self._make_room()
        return columns

    def _make_room(self) -> None:
        """Take away the copies that were read longest ago, where there are more than may be kept."""
        now = time.time()
        if now - _looked.get(self.root, 0.0) < ROOM_EVERY_S:
            return
        _looked[self.root] = now
        found = list(_copies(self.root, now))
        over = sum(size for _, size, _ in found) - self._copies_mb * 1_000_000
        for _, size, path in sorted(found, key=lambda one: one[0]):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= size


def _copies(root: Path, now: float) -> Iterator[tuple[float, int, Path]]:
    """(read last, bytes, path) of every file but those that are just being written."""
    for path in root.rglob("*"):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # another process took it away
        if path.is_file() and (path.suffix == ".parquet" or now - stat.st_mtime > LITTER_AGE_S):
            yield stat.st_mtime, stat.st_size, path


def _opened(path: Path, entry: YearFile) -> BarColumns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(columns=["ts", *FIELDS])
    except (OSError, pa.ArrowException) as error:
        raise StoreDamaged(f"bar file {entry['file']} cannot be read: {error}") from error
    if table.num_rows != entry["bars"]:
        raise StoreDamaged(f"bar file {entry['file']} has {table.num_rows} bars instead of {entry['bars']}")
    return BarColumns(
        _numpy(table.column("ts"), np.dtype(np.int64)),
        *(_numpy(table.column(f), np.dtype(np.float64)) for f in FIELDS),
    )


def _arrow(array: np.ndarray, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    # By buffers, because pa.array() and .to_numpy() import pandas, which a web process must not pay for.
    return pa.Array.from_buffers(kind, len(array), [None, pa.py_buffer(np.ascontiguousarray(array))])


def _numpy(column: pa.ChunkedArray, dtype: np.dtype) -> np.ndarray:
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype=dtype)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype), *parts])
