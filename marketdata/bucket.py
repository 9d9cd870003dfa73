"""A bucket of an S3-compatible store, in which bars lie for every machine (`BARS_S3_BUCKET`; docs/scaling.md)."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUFFIX = ".parquet"  # nothing else in the bucket is ours to take away
CONNECT_S, READ_S = 3.0, 30.0
AWAY = (
    "The store of bars cannot be reached right now. Nothing is lost; try again in a minute. "
    "Operators: `manage.py config --check` says what it answers to BARS_S3_URL and BARS_S3_BUCKET."
)
"""What a person reads; a BucketAway's own words are for the log."""

_PIECE = 1 << 20


class BucketAway(OSError):
    """The store does not answer, or refuses the keys. What is meant is in the message, never the keys."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Files by name, below `prefix`. key, secret: empty for those that the machine has by itself (an instance's role).

    Every method raises BucketAway.
    """

    url: str
    name: str
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    region: str = "us-east-1"
    prefix: str = ""

    def send(self, name: str, path: Path) -> None:
        """Put the file there. Once this returns, everybody reads it; sent again it counts as new to `remove_old`."""
        with path.open("rb") as body:
            self._asked("put_object", name, Body=body)

    def fetch(self, name: str, path: Path) -> None:
        """Bring the file here, whole or not at all. Raises FileNotFoundError where the bucket has none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            answer = self._asked("get_object", name)
            with temporary.open("wb") as handle, _told():
                shutil.copyfileobj(answer["Body"], handle, _PIECE)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def remove_old(self, keep: Iterable[str], *, before: float) -> int:
        """Delete the files that are not in `keep` and that were sent before that time (s since 1970); how many."""
        kept, removed = set(keep), 0
        for name, sent in self._names():
            if name not in kept and sent < before:
                self._asked("delete_object", name)
                removed += 1
        return removed

    def probe(self) -> None:
        """Write, read and delete a small file, as `manage.py config --check` does."""
        name = f"{uuid.uuid4().hex}.probe"
        self._asked("put_object", name, Body=b"x")
        self._asked("get_object", name)
        self._asked("delete_object", name)

    def _names(self) -> Iterator[tuple[str, float]]:
        client = _client(os.getpid(), self.url, self.key, self.secret, self.region)
        with _told():
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self._full("")):
                for found in page.get("Contents", ()):
                    if found["Key"].endswith(SUFFIX):
                        yield found["Key"][len(self._full("")) :], found["LastModified"].timestamp()

    def _asked(self, operation: str, name: str, **more: Any) -> Any:
        client = _client(os.getpid(), self.url, self.key, self.secret, self.region)
        with _told():
            return getattr(client, operation)(Bucket=self.name, Key=self._full(name), **more)

    def _full(self, name: str) -> str:
        folder = self.prefix.strip("/")
        return f"{folder}/{name}" if folder else name


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turns what the client library raises into what the callers of a store know."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404 and code != "NoSuchBucket":
            raise FileNotFoundError("the bucket has no such file") from error
        raise BucketAway(f"the bucket refuses: {code or status}") from error
    except BotoCoreError as error:
        raise BucketAway(f"the store of the bucket does not answer ({type(error).__name__})") from error


@functools.lru_cache(maxsize=4)
def _client(_process: int, url: str, key: str, secret: str, region: str) -> Any:
    """One client for each process: its connections are not shared with a process that was forked off."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path"},
            # Checksums in trailers are Amazon's own; other stores refuse them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
