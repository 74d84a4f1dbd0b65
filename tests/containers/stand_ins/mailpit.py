#!/usr/bin/env python
"""Stand-in for axllent/mailpit: takes e-mails on port 1025 and lists them on port 8025, both without limits.

`/mailpit readyz` is its health check.
"""

import email
import email.policy
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

taken: list[dict[str, object]] = []


class Catcher:
    """Keeps what is sent."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = email.message_from_bytes(content, policy=email.policy.default)
        files = [part.get_filename() for part in message.iter_attachments()]
        to = [{"Address": address} for address in envelope.rcpt_tos]
        taken.append({"To": to, "Subject": message["Subject"], "Attachments": len(files)})
        return "250 taken"


class Pages(BaseHTTPRequestHandler):
    """The two calls of Mailpit's API that the check uses."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/v1/messages"):
            self._send(json.dumps({"total": len(taken), "messages": taken[::-1]}).encode())
        elif self.path == "/readyz":
            self._send(b"ok")
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if sys.argv[1:] == ["readyz"]:
    urlopen("http://127.0.0.1:8025/readyz", timeout=2)
else:
    Controller(Catcher(), hostname="0.0.0.0", port=1025).start()
    ThreadingHTTPServer(("0.0.0.0", 8025), Pages).serve_forever()
