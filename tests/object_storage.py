"""A small object storage that speaks the S3 protocol on loopback: listing, reading, and its failures."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "billing"
LONG_AGO = 1_700_000_000


@dataclass
class Stored:
    data: bytes
    changed: int

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


@dataclass
class ObjectStorage:
    """The objects of one bucket, and the requests so far as `GET key`, `HEAD key` and `LIST prefix`.

    `denied` holds an error code for requests that are answered with it, `page` the keys in one answer. Before
    a request is answered, `before` is called with it.
    """

    endpoint: str = ""
    objects: dict[str, Stored] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    denied: dict[str, tuple[int, str]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _request: None
    page: int = 1000
    down_after: int | None = None  # requests; later ones get no answer

    def put(self, key: str, data: bytes, changed: int = LONG_AGO) -> None:
        self.objects[key] = Stored(data, changed)

    def put_folder(self, folder: Path, prefix: str, changed: int = LONG_AGO) -> None:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.put(f"{prefix}/{file.relative_to(folder)}", file.read_bytes(), changed)

    def reads(self) -> list[str]:
        """Return the keys that were read, each once, and forget all requests so far."""
        found = [request.removeprefix("GET ") for request in self.requests if request.startswith("GET ")]
        self.requests.clear()
        return sorted(set(found))


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    storage = ObjectStorage()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Answers", (_Answers,), {"storage": storage}))
    server.daemon_threads = True
    storage.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield storage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: ObjectStorage

    def do_GET(self) -> None:
        bucket, _, key = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        options = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        is_list = "list-type" in options
        verb, what = ("LIST", options.get("prefix", "")) if is_list else (self.command, key)
        request = f"{verb} {what}"
        storage = self.storage
        if storage.down_after is not None and len(storage.requests) >= storage.down_after:
            self.close_connection = True
            return None
        storage.requests.append(request)
        storage.before(request)
        if bucket != BUCKET:
            return self._error(404, "NoSuchBucket", "The specified bucket does not exist")
        if refusal := storage.denied.get(request) or storage.denied.get(verb):
            return self._error(*refusal, "Refused.")
        if is_list:
            return self._list(options)
        if key not in storage.objects:
            return self._error(404, "NoSuchKey", "The specified key does not exist.")
        return self._object(storage.objects[key])

    do_HEAD = do_GET  # noqa: N815

    def _object(self, stored: Stored) -> None:
        data, status, extra = stored.data, 200, {}
        if asked := self.headers.get("Range"):
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            data = data[int(begin) : int(end) + 1]
            status, extra = 206, {"Content-Range": f"bytes {begin}-{end}/{len(stored.data)}"}
        extra |= {"ETag": stored.tag, "Last-Modified": formatdate(stored.changed, usegmt=True)}
        self._answer(status, data, "application/octet-stream", extra)

    def _list(self, options: dict[str, str]) -> None:
        prefix, delimiter = options.get("prefix", ""), options.get("delimiter")
        entries: dict[str, Stored | None] = {}
        for key, stored in sorted(self.storage.objects.items()):
            if key.startswith(prefix):
                name, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
                entries[prefix + name + cut if cut else key] = None if cut else stored
        after = options.get("continuation-token", "")
        names = [name for name in entries if name > after]
        rows = []
        for name in names[: self.storage.page]:
            if (stored := entries[name]) is None:
                rows.append(f"<CommonPrefixes><Prefix>{_escaped(name)}</Prefix></CommonPrefixes>")
                continue
            at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stored.changed))
            rows.append(
                f"<Contents><Key>{_escaped(name)}</Key><LastModified>{at}</LastModified>"
                f"<ETag>{_escaped(stored.tag)}</ETag><Size>{len(stored.data)}</Size></Contents>"
            )
        more = len(names) > self.storage.page
        last = _escaped(names[self.storage.page - 1]) if more else ""
        token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        body = (
            f"<ListBucketResult><Name>{BUCKET}</Name><Prefix>{_escaped(prefix)}</Prefix>"
            f"<KeyCount>{len(rows)}</KeyCount><IsTruncated>{'true' if more else 'false'}</IsTruncated>"
            f"{token if more else ''}{''.join(rows)}</ListBucketResult>"
        )
        self._answer(200, body.encode(), "application/xml")

    def _error(self, status: int, code: str, message: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self._answer(status, body.encode(), "application/xml")

    def _answer(self, status: int, body: bytes, kind: str, extra: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _escaped(text: str) -> str:
    return "".join(char if char.isalnum() or char in "/.-_= " else f"&#{ord(char)};" for char in text)
