"""A space of Contentful on a local port: its Sync API, assets, tokens, limits and bad days."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "delivery-token"  # noqa: S105  # of a server that lives for a test
SPACE = "/spaces/halden/environments/master"


def entry(
    name: str, fields: dict[str, dict[str, Any]], *, kind: str = "offer", revision: int = 1
) -> dict[str, Any]:
    """Return an entry as the delivery API gives it."""
    return {
        "sys": {
            "id": name,
            "type": "Entry",
            "contentType": {"sys": {"type": "Link", "linkType": "ContentType", "id": kind}},
            "revision": revision,
            "updatedAt": "2026-03-01T09:00:00.000Z",
        },
        "fields": fields,
    }


def asset(name: str, url: str) -> dict[str, Any]:
    """Return an asset with one file."""
    return {
        "sys": {"id": name, "type": "Asset", "revision": 1},
        "fields": {"file": {"en-US": {"url": url, "contentType": "image/png"}}},
    }


def link(name: str) -> dict[str, Any]:
    """Return what a field says that holds an asset."""
    return {"sys": {"type": "Link", "linkType": "Asset", "id": name}}


class ContentfulSpace:
    """What is published in it; every change is remembered, as tokens refer to them."""

    def __init__(self, page_items: int = 2) -> None:
        self.page_items = page_items
        self.requests: list[str] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.tokens_expire = False
        self._log: list[tuple[str, dict[str, Any]]] = []

    def publish(self, item: Any, name: str | None = None) -> None:
        """Publish an entry or asset, or whatever else shall be among the items."""
        self._log.append((name or item["sys"]["id"], item))

    def take_back(self, name: str, kind: str = "DeletedEntry") -> None:
        """Unpublish or delete: both look the same."""
        self._log.append((name, {"sys": {"id": name, "type": kind, "revision": 1}}))

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a request."""
        if path.startswith(f"{SPACE}/assets/"):
            held = self._since(0).get(path.rpartition("/")[2])
            return (200, held) if held else (404, {"sys": {"type": "Error", "id": "NotFound"}})
        if path != f"{SPACE}/sync":
            return 404, {"sys": {"type": "Error", "id": "NotFound"}}
        offset, since, end = 0, 0, len(self._log)
        if "sync_token" in query:
            if self.tokens_expire:
                return 400, {"sys": {"type": "Error", "id": "BadRequest"}}
            offset, since, end = map(int, query["sync_token"].split("."))
            end = end or len(self._log)
        items = list(self._since(since, end).values())
        if since == 0:
            items = [i for i in items if "Deleted" not in str(i)]
        page: dict[str, Any] = {
            "sys": {"type": "Array"},
            "items": items[offset : offset + self.page_items],
        }
        offset += self.page_items
        last = offset >= len(items)
        token = f"0.{end}.0" if last else f"{offset}.{since}.{end}"
        key = "nextSyncUrl" if last else "nextPageUrl"
        page[key] = f"https://elsewhere.example{SPACE}/sync?sync_token={token}"
        return 200, page

    def _since(self, since: int, end: int | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in self._log[since:end]:
            found.pop(name, None)
            found[name] = item
        return found


@contextmanager
def serving(space: ContentfulSpace) -> Iterator[str]:
    """Serve a space; give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            space.requests.append(self.path)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._send(401, {}, b'{"sys": {"type": "Error", "id": "AccessTokenInvalid"}}')
            elif space.answers:
                self._send(*space.answers.pop(0))
            else:
                status, body = space.answer(parts.path, dict(parse_qsl(parts.query)))
                self._send(status, {}, json.dumps(body).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
