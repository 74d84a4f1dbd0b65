"""Client addresses, and trust in X-Forwarded-For."""

from __future__ import annotations

import ipaddress

import pytest

from gateway.http.client_address import UNKNOWN, ClientAddresses, _parsed

TRUSTED = [ipaddress.ip_network(network) for network in ("10.0.0.0/8", "::1/128")]


def address(peer: str | None, *forwarded: str, trusted: bool = True) -> str:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    client = None if peer is None else (peer, 1234)
    return ClientAddresses(TRUSTED if trusted else ()).client_address(client, headers)


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("64:ff9b:0:1::192.0.2.1", "64:ff9b:0:1::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("socket", UNKNOWN),
    ],
)
def test_ipv4_counts_by_address_and_ipv6_by_network(peer: str | None, counted: str) -> None:
    assert address(peer, trusted=False) == counted


def test_untrusted_peers_cannot_set_the_address() -> None:
    assert address("192.0.2.1", "198.51.100.7") == "192.0.2.1"
    assert address("10.1.2.3", "198.51.100.7", trusted=False) == "10.1.2.3"


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.7,10.4.5.6"], "198.51.100.7"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.7", "10.4.5.6"], "198.51.100.7"),
        ("::1", ["2001:db8::5"], "2001:db8::/64"),
        ("::ffff:10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["[2001:db8::5]:443"], "2001:db8::/64"),
        ("10.1.2.3", ["198.51.100.7:5678"], "198.51.100.7"),
    ],
)
def test_behind_proxies_the_nearest_untrusted_address_counts(
    peer: str, forwarded: list[str], counted: str
) -> None:
    assert address(peer, *forwarded) == counted


@pytest.mark.parametrize("forwarded", ["", "unknown", "198.51.100.7, nonsense", "198.51.100.7, " + "1" * 200])
def test_an_invalid_entry_counts_for_the_proxy(forwarded: str) -> None:
    assert address("10.1.2.3", forwarded) == "10.1.2.3"
    assert address("10.1.2.3") == "10.1.2.3"


def test_the_number_of_entries_is_bounded() -> None:
    assert address("10.1.2.3", ",".join(["10.0.0.1"] * 5_000)) == "10.0.0.1"
    assert address("10.1.2.3", "198.51.100.7," + ",".join(["10.0.0.1"] * 50)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("10.0.0.1", None),
        ("not an address", None),
    ],
)
def test_a_connection_counts_for_its_address_unless_that_is_a_trusted_proxy(
    peer: str, counted: str | None
) -> None:
    addresses = ClientAddresses(TRUSTED)
    assert addresses.connection_address((peer, 1)) == counted
    assert addresses.connection_address(None) is None


def test_long_entries_are_not_cached() -> None:
    addresses = ClientAddresses(TRUSTED)
    before = _parsed.cache_info().currsize
    for number in range(100):
        headers = [(b"x-forwarded-for", b"%d%b, 10.0.0.2" % (number, b"x" * 30_000))]
        assert addresses.client_address(("10.0.0.1", 1), headers) == "10.0.0.2"
    assert _parsed.cache_info().currsize <= before + 2
