"""The embedded mail server and the pages of `/inbox`."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from litestar import Litestar

from gateway.http.errors import handle_exception
from gateway.inbox.routes import FromThisMachine, inbox_routes
from gateway.site.assets import load_assets
from gateway.site.rendering import Renderer
from notifier import message
from notifier.inbox_server import InboxServer
from notifier.mailer import Mailer, MailServer, MailServerUnavailable, MessageRejected
from notifier.rendering import Email

SENDER = message.parse_mailbox("Aisle <tickets@venue.example>")


class InboxFixture:
    """An inbox with a mailer in front of it and the pages behind it."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "inbox"
        self.inbox = InboxServer(self.folder, max_messages=10)
        self.mailer: Mailer
        framework: Any = Litestar(
            inbox_routes(
                home,
                FromThisMachine("http://tickets.example:8080", [ip_network("127.0.0.9/32")]),
                Renderer(load_assets(), {"inbox": True}, ("gateway.inbox",)),
            ),
            exception_handlers={Exception: handle_exception},
            logging_config=None,
        )

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["aisle.request_id"] = "of the front"
            await framework(scope, receive, send)

        self.app = app
        self.pages = self.client("127.0.0.1")

    def client(self, address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 5))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")

    async def send(
        self, to: str = "ada@example.org", subject: str = "Hello", html: str = "<p>Hi</p>"
    ) -> None:
        box = message.mailbox("Ada", to)
        raw = message.compose(
            Email(subject, "Hi\n", html),
            sender=SENDER,
            to=box,
            message_id="<1@venue.example>",
            date=datetime.now(UTC),
            attachments=[message.Attachment("ticket-é.pdf", "application/pdf", b"%PDF-1.7 \0\r\n.")],
        )
        await self.mailer.send(box.address, raw)

    async def listed(self, query: str = "") -> list[dict[str, Any]]:
        answer = await self.pages.get(f"/inbox?format=json&limit=100{query}")
        assert answer.status_code == 200
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[InboxFixture]:
    post = InboxFixture(tmp_path)
    port = await post.inbox.start()
    server = MailServer("127.0.0.1", port, tls=False, starttls="off", username=None, password=None)
    post.mailer = Mailer(server, SENDER)
    yield post
    await post.mailer.close()
    await post.inbox.close()


async def test_a_sent_message_is_in_the_inbox(post: InboxFixture) -> None:
    await post.send(subject="Grüße, बर्फी")
    (listed,) = await post.listed()
    assert listed["to"] == "Ada <ada@example.org>"
    assert listed["subject"] == "Grüße, बर्फी"
    email = (await post.pages.get(listed["url"], headers={"Accept": "application/json"})).json()
    assert email["text"] == "Hi\n"
    assert email["html"] == "<p>Hi</p>\n"
    assert email["message_id"] == "<1@venue.example>"
    (attached,) = email["attachments"]
    assert (attached["name"], attached["content_type"]) == ("ticket-é.pdf", "application/pdf")
    pdf = await post.pages.get(attached["url"])
    assert pdf.content == b"%PDF-1.7 \0\r\n."
    assert pdf.headers["content-disposition"] == "attachment; filename*=UTF-8''ticket-%C3%A9.pdf"
    shown = await post.pages.get(attached["view_url"])
    assert shown.content == pdf.content
    assert shown.headers["content-type"] == "application/pdf"
    assert shown.headers["content-disposition"].startswith("inline;")
    assert attached["view_url"] in (await post.pages.get(listed["url"])).text
    raw = await post.pages.get(email["raw_url"])
    assert raw.content.startswith(b"From: Aisle <tickets@venue.example>\r\n")


async def test_e_mails_are_listed_newest_first_in_pages(post: InboxFixture) -> None:
    for number in range(5):
        await post.send(subject=f"E-mail {number}")
        await asyncio.sleep(0.002)
    assert [item["subject"] for item in await post.listed()] == [f"E-mail {n}" for n in (4, 3, 2, 1, 0)]
    first = (await post.pages.get("/inbox?format=json&limit=3")).json()
    assert [item["subject"] for item in first["items"]] == ["E-mail 4", "E-mail 3", "E-mail 2"]
    rest = (await post.pages.get(f"/inbox?format=json&limit=3&cursor={first['next_cursor']}")).json()
    assert [item["subject"] for item in rest["items"]] == ["E-mail 1", "E-mail 0"]
    assert rest["next_cursor"] is None
    page = await post.pages.get("/inbox?limit=3")
    assert first["next_cursor"] in page.text


async def test_e_mails_are_filtered_by_address(post: InboxFixture) -> None:
    await post.send(to="ada@example.org")
    await post.send(to="bob@example.org")
    assert [item["to"] for item in await post.listed("&to=BOB@example.org")] == ["Ada <bob@example.org>"]
    assert await post.listed("&to=eve@example.org") == []


async def test_e_mails_are_searched_by_subject_address_and_text(post: InboxFixture) -> None:
    await post.send(to="ada@example.org", subject="Your tickets: Das Mädchen")
    await post.send(to="bob@example.org", subject="Cancelled")
    for search, count in (
        ("TICKETS m\u00c4dchen", 1),
        ("bob@", 1),
        ("hi", 2),
        ("hi cancelled", 1),
        ("hi eve", 0),
    ):
        assert len(await post.listed(f"&q={quote(search)}")) == count, search
    page = await post.pages.get("/inbox?q=%22%3E%3Cscript%3E")
    assert "<script>" not in page.text.partition("<main")[2].partition("</main")[0]


async def test_the_inbox_keeps_the_newest_e_mails(post: InboxFixture) -> None:
    old = post.folder / f"{0:013d}-00000000.eml"
    old.write_bytes(b"Subject: old\r\n\r\n")
    left = post.folder / f"{0:013d}-00000000.part"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    for number in range(50):
        await post.send(subject=f"E-mail {number}")
        if number % 10 == 0:
            await asyncio.sleep(0.002)
    assert len(list(post.folder.iterdir())) == 10
    assert not old.exists()
    assert not left.exists()


async def test_the_inbox_has_a_size_limit(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number:013d}-00000000.eml").write_bytes(b"x" * 1000)
    inbox = InboxServer(tmp_path, max_bytes=2500)
    await inbox.start()
    await inbox.close()
    assert sorted(name[:13] for name in os.listdir(tmp_path)) == [f"{3:013d}", f"{4:013d}"]


async def test_the_html_of_an_e_mail_is_sandboxed(post: InboxFixture) -> None:
    await post.send(subject="<script>alert(1)</script>", html="<script>alert(2)</script><p>Hi</p>")
    (listed,) = await post.listed()
    page = await post.pages.get(listed["url"])
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "sandbox=" in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    body = await post.pages.get(f"{listed['url']}/body")
    assert "alert" not in body.text
    assert "<p>Hi</p>" in body.text
    assert "sandbox" in body.headers["content-security-policy"]
    assert "allow-scripts" not in body.headers["content-security-policy"]
    assert not re.search(r"(?:src|href)=.?https?:", (await post.pages.get("/inbox")).text)


@pytest.mark.parametrize(
    "path",
    [
        "/inbox/nothing",
        "/inbox/1795000000000-0000000g",
        "/inbox/1795000000000-00000000",
        "/inbox/..%2f..%2fetc%2fpasswd",
        "/inbox/1795000000000-00000000/body",
        "/inbox/1795000000000-00000000/raw",
        "/inbox/1795000000000-00000000/attachments/1",
        "/inbox/1795000000000-00000000/attachments/x",
    ],
)
async def test_an_unknown_e_mail_is_not_found(post: InboxFixture, path: str) -> None:
    answer = await post.pages.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_an_unknown_attachment_is_not_found(post: InboxFixture) -> None:
    await post.send()
    (listed,) = await post.listed()
    for number in (0, 2, 10**30):
        assert (await post.pages.get(f"{listed['url']}/attachments/{number}")).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=abc", "format=xml"])
async def test_an_invalid_query_is_rejected(post: InboxFixture, query: str) -> None:
    answer = await post.pages.get(f"/inbox?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation"


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.7", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7"}, 403),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 403),
        ("127.0.0.1", {"X-Forwarded-Server": "front"}, 403),
        ("127.0.0.1", {"X-Original-Host": "tickets.example"}, 403),
        ("127.0.0.1", {"CF-Connecting-IP": "192.0.2.7"}, 403),
        ("127.0.0.1", {"True-Client-IP": "192.0.2.7"}, 403),
        ("127.0.0.1", {"X-Request-Id": "a1", "Viable": "yes"}, 200),
        ("127.0.0.9", {}, 403),
        ("127.0.0.1", {"Host": "localhost:8400"}, 200),
        ("::1", {"Host": "[::1]:8400"}, 200),
        ("127.0.0.1", {"Host": "LOCALHOST"}, 200),
        ("127.0.0.1", {"Host": "tickets.example:8080"}, 200),
        ("127.0.0.1", {"Host": "evil.example:8400"}, 403),
        ("127.0.0.1", {"Host": "127.0.0.1.evil.example"}, 403),
        ("127.0.0.1", {"Host": "localhost.evil.example"}, 403),
        ("127.0.0.1", {"Host": "localhost@evil.example"}, 403),
        ("127.0.0.1", {"Host": "127.0.0.2"}, 403),
        ("127.0.0.1", {"Host": ""}, 403),
        ("127.0.0.1", {"Host": "[::1"}, 403),
        ("", {}, 403),
    ],
)
async def test_the_inbox_serves_only_this_machine(
    post: InboxFixture, address: str, headers: dict[str, str], status: int
) -> None:
    async with post.client(address) as client:
        assert (await client.get("/inbox", headers=headers)).status_code == status


async def test_a_proxy_without_headers_is_known_by_its_version(post: InboxFixture) -> None:
    async def by_http_1_0(scope: Any, receive: Any, send: Any) -> None:
        await post.app(scope | {"http_version": "1.0"}, receive, send)

    transport = httpx.ASGITransport(by_http_1_0, client=("127.0.0.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        assert (await client.get("/inbox")).status_code == 403


async def test_an_unused_inbox_is_empty(tmp_path: Path) -> None:
    fresh = InboxFixture(tmp_path / "nowhere")
    assert await fresh.listed() == []
    assert "No e-mails yet" in (await fresh.pages.get("/inbox")).text


async def test_a_stopped_mail_server_is_unavailable(post: InboxFixture) -> None:
    await post.send()
    await post.inbox.close()
    await post.mailer.close()
    with pytest.raises(MailServerUnavailable):
        await post.send()


async def test_a_non_ascii_address_is_accepted(post: InboxFixture) -> None:
    await post.send(to="जॉन@example.org")
    (listed,) = await post.listed()
    assert "जॉन@example.org" in listed["to"]


async def test_an_oversized_message_is_rejected_and_the_next_one_sent(post: InboxFixture) -> None:
    with pytest.raises(MessageRejected):
        await post.send(html="x" * (17 * 2**20))
    await post.send()
    assert len(await post.listed()) == 1


async def test_ids_sort_by_the_time_of_arrival(post: InboxFixture) -> None:
    before = time.time_ns() // 1_000_000
    await post.send()
    (listed,) = await post.listed()
    assert before <= int(listed["id"][:13]) <= time.time_ns() // 1_000_000
