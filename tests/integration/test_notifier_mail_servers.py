"""The mailer with mail servers of all kinds: TLS, log-ins, rejections."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult

from notifier.mailer import Mailer, MailServerUnavailable, MessageDeferred, MessageRejected, read_server
from notifier.message import parse_mailbox
from tests.integration.mail_server import RecordingMailServer

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it is our machine

MESSAGE = b"From: tickets@venue.example\r\nTo: ada@example.org\r\nSubject: Hello\r\n\r\nHello\r\n"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for `localhost`, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is needed to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    extension = "subjectAltName=DNS:localhost"
    subprocess.run(
        [*command.split(), "-addext", extension, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


@pytest.fixture
async def post() -> AsyncIterator[RecordingMailServer]:
    post = RecordingMailServer()
    yield post
    await post.close()


async def send(url: str) -> None:
    mailer = Mailer(read_server(url), parse_mailbox("tickets@venue.example"), timeout_s=5)
    try:
        await mailer.send("ada@example.org", MESSAGE)
    finally:
        await mailer.close()


def only_ada(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"ada", b"p@ss"), handled=False)


@pytest.mark.usefixtures("trusted")
async def test_a_log_in_goes_over_starttls(post: RecordingMailServer, server_tls: ssl.SSLContext) -> None:
    await post.open(tls_context=server_tls, require_starttls=True, authenticator=only_ada, auth_required=True)
    await send(f"smtp://ada:p%40ss@localhost:{post.port}?starttls=required")
    assert len(post.messages) == 1


@pytest.mark.usefixtures("trusted")
async def test_implicit_tls_is_used_for_smtps_urls(
    post: RecordingMailServer, server_tls: ssl.SSLContext
) -> None:
    await post.open(tls=server_tls, authenticator=only_ada, auth_required=True, auth_require_tls=False)
    await send(f"smtps://ada:p%40ss@localhost:{post.port}")
    assert len(post.messages) == 1


@pytest.mark.usefixtures("trusted")
async def test_a_wrong_password_does_not_count_against_the_message(
    post: RecordingMailServer, server_tls: ssl.SSLContext
) -> None:
    await post.open(tls_context=server_tls, authenticator=only_ada, auth_required=True)
    with pytest.raises(MailServerUnavailable, match="535"):
        await send(f"smtp://ada:wrong@localhost:{post.port}")


async def test_a_missing_log_in_does_not_count_against_the_message(post: RecordingMailServer) -> None:
    await post.open(authenticator=only_ada, auth_required=True, auth_require_tls=False)
    with pytest.raises(MailServerUnavailable, match="530"):
        await send(post.url)


async def test_a_server_with_an_untrusted_certificate_gets_nothing(
    post: RecordingMailServer, server_tls: ssl.SSLContext
) -> None:
    await post.open(tls_context=server_tls)
    with pytest.raises(MailServerUnavailable, match=r"(?i)certificate"):
        await send(f"smtp://localhost:{post.port}")
    assert post.messages == []


async def test_a_server_without_tls_gets_nothing_where_tls_is_required(post: RecordingMailServer) -> None:
    await post.open(authenticator=only_ada, auth_require_tls=False)
    with pytest.raises(MailServerUnavailable):
        await send(f"smtp://ada:p%40ss@localhost:{post.port}?starttls=required")
    assert post.messages == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("550 5.1.1 no such mailbox", MessageRejected),
        ("552 5.3.4 too large", MessageRejected),
        ("450 4.2.0 greylisted", MessageDeferred),
        ("421 4.3.2 going down", MailServerUnavailable),
        ("530 5.7.0 log in first", MailServerUnavailable),
    ],
)
async def test_replies_about_the_message_and_about_the_client_are_distinguished(
    post: RecordingMailServer, answer: str, error: type[Exception]
) -> None:
    await post.open()
    post.refusals["ada@example.org"] = answer
    with pytest.raises(error, match=answer[:3]):
        await send(post.url)
    post.refusals.clear()
    post.on_message = lambda _message: answer
    with pytest.raises(error, match=answer[:3]):
        await send(post.url)


async def test_a_broken_connection_defers_the_message(post: RecordingMailServer) -> None:
    await post.open()
    post.on_message = lambda _message: post.hang_up()
    with pytest.raises(MessageDeferred):
        await send(post.url)


async def test_a_closed_port_is_an_unavailable_server(post: RecordingMailServer) -> None:
    await post.open()
    await post.close()
    with pytest.raises(MailServerUnavailable):
        await send(post.url)
