"""The seat map alone in a page, for its tests and measurements: a small server with pages, modules and seat maps."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import Claims, SeatMapSnapshot, ShowTerms
from schemas.layout import Layout, encode_layout

STATIC = Path(__file__).parents[2] / "gateway" / "site" / "static"
_PAGE = Path(__file__).with_name("map_page.html")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8"}


def seat_map(layout: Layout, claims: Claims = ()) -> bytes:
    """Returns the JSON that a gateway gives for a show with this layout."""
    terms = ShowTerms("on_sale", starts_ms=0)
    return SeatMapSnapshot(1, EncodedLayout(encode_layout(layout)), 1, claims, terms).body()


@contextmanager
def map_pages(maps: dict[str, bytes]) -> Iterator[str]:
    """Serves the page and seat maps by name; yields the address. `/?map=<name>` shows one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body, kind = self._find(urlsplit(self.path).path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def _find(self, path: str) -> tuple[bytes | None, str]:
            if path == "/":
                return _PAGE.read_bytes(), _TYPES[".html"]
            if path.startswith("/maps/"):
                return maps.get(path.removeprefix("/maps/")), "application/json"
            file = STATIC / path.removeprefix("/")
            return (file.read_bytes() if file.is_file() else None), _TYPES.get(file.suffix, "text/plain")

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def layout_of(document: dict[str, object]) -> Layout:
    """Returns a layout as a request writes it."""
    return msgspec.convert(document, Layout)
