"""Security headers of every response."""

from __future__ import annotations

from gateway.http.security_headers import headers_for, with_policy


def test_hsts_is_sent_for_https_sites() -> None:
    assert "strict-transport-security" in dict(headers_for("https://tickets.example"))
    assert "strict-transport-security" not in dict(headers_for("http://127.0.0.1:8080"))


def test_pages_keep_their_own_policy_and_other_responses_get_the_strictest() -> None:
    strict = dict(with_policy([(b"content-type", b"application/json")]))
    assert b"default-src 'none'" in strict[b"content-security-policy"]
    assert b"frame-ancestors 'none'" in strict[b"content-security-policy"]
    assert strict[b"x-frame-options"] == b"DENY"
    page = [(b"Content-Security-Policy", b"frame-ancestors 'self'")]
    assert with_policy(page) == page
