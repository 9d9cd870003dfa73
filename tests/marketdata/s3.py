"""An S3-compatible store on loopback, as much of it as a bucket of bars needs: a real socket for the real client."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from bots.practice.flat_files import is_signed
from bots.practice.web import Request

KEY, SECRET, BUCKET = "BARSKEY", "bars-secret-that-nobody-sees", "bars"
PAGE = 2  # names in one answer


class Store(ThreadingHTTPServer):
    """objects: (bytes, when they were put there) by key. asked: "METHOD key" of every signed request, in order.

    away: True refuses everything with status 503.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.asked: list[str] = []
        self.away = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Store
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self._answer()

    do_GET = do_DELETE = do_PUT

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        address = urlsplit(self.path)
        path, body = unquote(address.path), self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, dict(parse_qsl(address.query, True)), headers, body, {}, address.query)
        told = headers.get("x-amz-content-sha256")
        if self.server.away:
            return self._send(503, _fault("SlowDown"))
        if not is_signed(request, {KEY: SECRET}.get) or told != hashlib.sha256(body).hexdigest():
            return self._send(403, _fault("SignatureDoesNotMatch"))
        bucket, _, key = path.lstrip("/").partition("/")
        self.server.asked.append(f"{self.command} {key}")
        if bucket != BUCKET:
            return self._send(404, _fault("NoSuchBucket"))
        if not key:
            return self._send(200, self._list(request.query))
        if self.command == "PUT":
            self.server.objects[key] = (body, datetime.now(UTC))
            return self._send(200, b"")
        if self.command == "DELETE":
            self.server.objects.pop(key, None)
            return self._send(204, b"")
        found = self.server.objects.get(key)
        return self._send(404, _fault("NoSuchKey")) if found is None else self._send(200, found[0])

    def _list(self, query: dict[str, str]) -> bytes:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        names = sorted(key for key in self.server.objects if key.startswith(prefix) and key > after)
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{self.server.objects[key][1].isoformat()}</LastModified>"
            f"</Contents>"
            for key in names[:PAGE]
        )
        more = len(names) > PAGE
        token = f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>" if more else ""
        head = f"<Name>{BUCKET}</Name><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        return f"<ListBucketResult>{head}{rows}</ListBucketResult>".encode()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _fault(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


@contextlib.contextmanager
def serving() -> Iterator[Store]:
    """Answers for as long as the block runs."""
    store = Store()
    thread = threading.Thread(target=store.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
        thread.join(10)
