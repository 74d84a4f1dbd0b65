"""Settings: valid values, invalid values, and errors that name the setting."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from runtime.settings import SECRET, SettingError, read_settings


def test_nothing_needs_to_be_set() -> None:
    settings = read_settings({"PATH": "/bin"})
    assert settings.home == Path(".aisle").absolute()
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.1", 8080, 8081)
    assert settings.public_url == "http://127.0.0.1:8080"
    assert (settings.database_url, settings.redis_url, settings.kafka) == (None, None, None)
    assert (settings.partitions, settings.workers, settings.gateways) == (8, 1, 1)
    assert settings.rate_limits is True


def test_an_empty_value_is_as_good_as_none() -> None:
    assert read_settings({"AISLE_PORT": "", "AISLE_KAFKA": ""}) == read_settings({})


def test_the_metrics_port_follows_the_port() -> None:
    assert read_settings({"AISLE_PORT": "9000"}).metrics_port == 9001
    assert read_settings({"AISLE_PORT": "9000", "AISLE_METRICS_PORT": "7000"}).metrics_port == 7000


def test_sample_data_is_on_only_beside_an_embedded_database() -> None:
    elsewhere = {"AISLE_DATABASE_URL": "postgresql://db/aisle"}
    assert read_settings({}).sample_data is True
    assert read_settings(elsewhere).sample_data is False
    assert read_settings({"AISLE_SAMPLE_DATA": "off"}).sample_data is False
    assert read_settings(elsewhere | {"AISLE_SAMPLE_DATA": "on"}).sample_data is True
    with pytest.raises(SettingError, match="AISLE_SAMPLE_DATA='no': one of on, off is wanted"):
        read_settings({"AISLE_SAMPLE_DATA": "no"})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ("venue", "http://venue:8080"),
    ],
)
def test_the_public_url_is_one_that_a_browser_can_open(host: str, url: str) -> None:
    assert read_settings({"AISLE_HOST": host}).public_url == url


def test_lists_are_separated_by_commas() -> None:
    settings = read_settings(
        {
            "AISLE_CORS_ORIGINS": "https://a.example, https://b.example:8443",
            "AISLE_TRUSTED_PROXIES": "10.0.0.0/8,::1",
            "AISLE_KAFKA": "one:9092, two:9092",
        }
    )
    assert settings.cors_origins == ("https://a.example", "https://b.example:8443")
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    assert settings.kafka == "one:9092,two:9092"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AISLE_PORT", "0"),
        ("AISLE_PORT", "65536"),
        ("AISLE_PORT", "-1"),
        ("AISLE_PORT", "８０"),
        ("AISLE_PORT", " 80"),
        ("AISLE_METRICS_PORT", "x"),
        ("AISLE_DATABASE_URL", "mysql://db/aisle"),
        ("AISLE_DATABASE_URL", "postgresql://"),
        ("AISLE_DATABASE_URL", "postgresql://db:port/aisle"),
        ("AISLE_REDIS_URL", "localhost:6379"),
        ("AISLE_KAFKA", "localhost"),
        ("AISLE_KAFKA", "localhost:9092,"),
        ("AISLE_KAFKA", "localhost:99999"),
        ("AISLE_PARTITIONS", "0"),
        ("AISLE_PARTITIONS", "1.5"),
        ("AISLE_GROUP_INSTANCE", "worker 1"),
        ("AISLE_SMTP_URL", "http://mail"),
        ("AISLE_MAIL_FROM", "nobody"),
        ("AISLE_MAIL_REPLY_TO", "nobody"),
        ("AISLE_MAIL_FROM", "a@b.example\r\nBcc: c@d.example"),
        ("AISLE_ADMIN_PASSWORD", "short"),
        ("AISLE_PUBLIC_URL", "tickets.example"),
        ("AISLE_CORS_ORIGINS", "https://a.example/path"),
        ("AISLE_CORS_ORIGINS", "*"),
        ("AISLE_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("AISLE_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("AISLE_TRUSTED_PROXIES", "proxy.example"),
        ("AISLE_PORT", "+80"),
        ("AISLE_PORT", "8" * 5000),
        ("AISLE_PORT", "65535"),
        ("AISLE_METRICS_PORT", "8080"),
        ("AISLE_METRICS_PORT", "65536"),
        ("AISLE_PARTITIONS", "8\n"),
        ("AISLE_HOME", __file__),
        ("AISLE_LOG_LEVEL", " info"),
        ("AISLE_TIMEZONE", "Mars/Olympus"),
        ("AISLE_TIMEZONE", "../../etc/passwd"),
        ("AISLE_TIMEZONE", "localtime"),
        ("AISLE_TIMEZONE", "Factory"),
        ("AISLE_TIMEZONE", "posixrules"),
        ("AISLE_TIMEZONE", "right/Europe/Berlin"),
        ("AISLE_TIMEZONE", "posix/UTC"),
        ("AISLE_TIMEZONE", "europe/berlin"),
        ("AISLE_TIMEZONE", "Europe/Berlin "),
        ("AISLE_TIMEZONE", "Europe"),
        ("AISLE_TIMEZONE", "CET-1CEST"),
        ("AISLE_CURRENCY", "eur"),
        ("AISLE_CURRENCY", "XYZ"),
        ("AISLE_CURRENCY", "XXX"),
        ("AISLE_CURRENCY", "XAU"),
        ("AISLE_CURRENCY", "DEM"),
        ("AISLE_CURRENCY", "EUR\n"),
        ("AISLE_RATE_LIMITS", "yes"),
        ("AISLE_RATE_LIMIT_ADDRESS", "0"),
        ("AISLE_RATE_LIMIT_CUSTOMER", "-1"),
        ("AISLE_RATE_LIMIT_ACCOUNTS", "many"),
        ("AISLE_RATE_LIMIT_LOGINS", "0.5"),
        ("AISLE_MAX_IN_FLIGHT", "0"),
        ("AISLE_TRACE_URL", "collector:4318"),
        ("AISLE_TRACE_URL", "http://collector:4318/v1/traces"),
        ("AISLE_TRACE_RATIO", "1.01"),
        ("AISLE_TRACE_RATIO", "-0.1"),
        ("AISLE_TRACE_RATIO", "1%"),
        ("AISLE_TRACE_RATIO", "nan"),
        ("AISLE_TRACE_RATIO", "1e-3"),
        ("AISLE_LOG_LEVEL", "verbose"),
        ("AISLE_WORKERS", "0"),
        ("AISLE_GATEWAYS", "65"),
        ("AISLE_PROT", "8080"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}") as refusal:
        read_settings({name: value})
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_a_network_with_host_bits_is_refused_with_the_right_spelling() -> None:
    for value, right in (("10.0.0.1/8", "10.0.0.0/8"), ("::1,2001:DB8::7/32", "2001:db8::/32")):
        with pytest.raises(SettingError, match=f"^AISLE_TRUSTED_PROXIES.*: write {right}$"):
            read_settings({"AISLE_TRUSTED_PROXIES": value})


def test_networks_may_repeat_and_have_blanks_and_empty_parts() -> None:
    settings = read_settings({"AISLE_TRUSTED_PROXIES": " 10.0.0.0/8,, 10.0.0.0/8,2001:DB8::1 ,"})
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "2001:db8::1/128"]


def test_the_last_port_is_fine_with_a_metrics_port_of_its_own() -> None:
    assert read_settings({"AISLE_PORT": "65535", "AISLE_METRICS_PORT": "9000"}).port == 65535


PASSWORDS = ("AISLE_ADMIN_PASSWORD", "AISLE_STAFF_PASSWORD")


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize(
    "value",
    [
        "1234567890",
        "PassWord123",
        "qwertyuiop",
        "aaaaaaaaaaaa",
        "１２３４５６７８９０",
        "short-one",
        "x" * 129,
        "correct horse\n1",
    ],
)
def test_passwords_of_settings_pass_the_rules_of_sign_up(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}: ") as refusal:
        read_settings({name: value})
    assert value not in str(refusal.value)


def test_a_password_of_settings_is_not_the_account_itself() -> None:
    for name, value in zip(PASSWORDS, ("Admin@Aisle.example", "staff@aisle.example"), strict=True):
        with pytest.raises(SettingError, match=f"^{name}: .*must not be the user name or the e-mail"):
            read_settings({name: value})
        assert read_settings({name: "correct horse 1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AISLE_KAFKA", "kafka://ada:hunter2@a:9092"),
        ("AISLE_KAFKA", "postgresql://ada:hunter2@db/aisle"),
        ("AISLE_HOST", "ada:hunter2@db"),
        ("AISLE_PUBLIC_URL", "https://ada:hunter2@venue.example/x"),
        ("AISLE_PUBLIC_URL", "https://ada:hunter2/x@venue.example"),
        ("AISLE_CORS_ORIGINS", "https://ada:hunter2@venue.example"),
        ("AISLE_LOG_LEVEL", "redis://:hunter2@cache"),
    ],
)
def test_a_password_in_the_wrong_setting_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{name}") as refusal:
        read_settings({name: value})
    assert "hunter" not in str(refusal.value)


@pytest.mark.parametrize("name", sorted(SECRET - {"AISLE_JWT_KEYS", "AISLE_TICKET_KEYS"}))
def test_a_secret_is_not_repeated_when_it_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=name) as refusal:
        read_settings({name: "hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_a_refused_number_or_choice_is_answered_with_the_bounds_it_was_declared_with() -> None:
    for name, value, wanted in (
        ("AISLE_PARTITIONS", "4097", "a whole number from 1 to 4096 is wanted"),
        ("AISLE_LISTEN_FD", "2", "a whole number from 3 to 65535 is wanted"),
        ("AISLE_SUPERVISED", "\udc80", "a whole number from 1 to 2147483647 is wanted"),
        ("AISLE_LOG_LEVEL", "loud", "one of debug, info, warning, error is wanted"),
    ):
        with pytest.raises(SettingError) as refusal:
            read_settings({name: value})
        assert str(refusal.value) == f"{name}={value!r}: {wanted}"


def test_every_secret_is_known_by_the_name_of_its_variable() -> None:
    assert {
        "AISLE_DATABASE_URL",
        "AISLE_REDIS_URL",
        "AISLE_SMTP_URL",
        "AISLE_JWT_KEYS",
        "AISLE_TICKET_KEYS",
        "AISLE_ADMIN_PASSWORD",
        "AISLE_STAFF_PASSWORD",
    } == SECRET
