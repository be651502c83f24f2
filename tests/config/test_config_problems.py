"""What is wrong with a file: one line each, with the file, the table, the key, and what was
expected.
"""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import ConfigError
from gateway.config.load import build
from gateway.config.model import Settings

FILE = Path("gateway.toml")


def problems(**tables: Any) -> list[str]:
    """Give what is wrong with these tables, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        build(tables, {}, FILE)
    assert all(line.startswith("gateway.toml: ") for line in caught.value.problems)
    return [line.removeprefix("gateway.toml: ") for line in caught.value.problems]


def problem(**tables: Any) -> str:
    """Give the only thing wrong with these tables."""
    (line,) = problems(**tables)
    return line


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({"http": {"prot": 1}}, '[http] prot: unknown key; did you mean "port"?'),
        ({"http": {"Port": 1}}, '[http] Port: unknown key; did you mean "port"?'),
        ({"http": {"keep": "1d"}}, "[http] keep: unknown key; it belongs in [history]"),
        ({"http": {"zzz": 1}}, "[http] zzz: unknown key"),
        ({"http": {"a\nb": 1}}, '[http] "a\\nb": unknown key'),
        ({"htpp": {"port": 1}}, "[htpp]: unknown table; did you mean [http]?"),
        ({"zzz": {}}, "[zzz]: unknown table"),
        ({"port": 1}, "port stands outside of any table; it belongs in [mqtt] or [http]"),
        ({"zzz": 1}, "zzz stands outside of any table"),
        ({"bridges": {"iotoi": {}}}, '[bridges] iotoi: unknown key; did you mean "iotio"?'),
    ],
)
def test_unknown(tables: dict[str, Any], line: str) -> None:
    """An unknown table or key says what was probably meant."""
    assert problem(**tables) == line


PORT = "a port from 0 to 65535"
HOST = "an address or host name"
AGE = 'a duration such as "90d" or "1y", or "forever"'
DURATION = 'a duration above 0 such as "90d" or "1h30m"'
SIZE = 'a size from "1MB", such as "4GB"'
MODULES = 'a list of modules such as ["thermostat"]'


@pytest.mark.parametrize(
    ("table", "key", "value", "expected", "got"),
    [
        ("http", "port", "eighty", PORT, '"eighty"'),
        ("http", "port", "80", PORT, '"80"'),
        ("http", "port", 65536, PORT, "65536"),
        ("http", "port", -1, PORT, "-1"),
        ("http", "port", True, PORT, "true"),
        ("http", "port", 2**400, PORT, "a number far too large"),
        ("http", "host", "", HOST, '""'),
        ("http", "host", ["a"], HOST, "a list"),
        ("http", "host", "http://a", HOST, '"http://a"'),
        ("mqtt", "tls", True, "a table of settings", "true"),
        ("broker", "engine", "mosquitto", '"embedded", "amqtt" or "external"', '"mosquitto"'),
        ("store", "path", "", "the path of a file", '""'),
        ("store", "path", "a\0b", "the path of a file", '"a\\u0000b"'),
        ("store", "durability", 1, '"full" or "normal"', "1"),
        ("history", "keep", "0d", AGE, '"0d"'),
        ("history", "keep", -5, AGE, "-5"),
        ("history", "minutes", "for ever", AGE, '"for ever"'),
        ("presence", "http_timeout", "forever", DURATION, '"forever"'),
        ("history", "max_size", "4 gigs", SIZE, '"4 gigs"'),
        ("history", "max_size", 0, SIZE, "0"),
        ("limits", "connections", 0, "a whole number from 1", "0"),
        ("limits", "connections", 1.5, "a whole number from 1", "1.5"),
        ("limits", "packet_size", "1GB", 'a size from "1KB" to "256MB", such as "256KB"', '"1GB"'),
        ("limits", "messages_per_second", -1, "a whole number from 0", "-1"),
        ("handlers", "modules", "thermostat", MODULES, '"thermostat"'),
        ("handlers", "modules", ["thermostat.py", "a/b"], MODULES, "a list"),
        ("log", "level", date(2025, 1, 1), '"debug", "info", "warning" or "error"', "2025-01-01"),
        ("bridges", "iotio", 1, "a table of settings", "1"),
        ("access", "claim_code", "short", "a text of at least 8 characters", "something else"),
    ],
)
def test_wrong_value(table: str, key: str, value: object, expected: str, got: str) -> None:
    """A wrong type or an impossible value says what was expected and what was got."""
    assert problem(**{table: {key: value}}) == f"[{table}] {key}: expected {expected}, got {got}"


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({"http": 8080}, "[http]: expected a table of settings, got 8080"),
        ({"http": [{}]}, "[http]: expected a table of settings, got a list"),
        (
            {"routes": {"topic": "a"}},
            "[routes]: expected [[routes]] in doubled brackets, got a table",
        ),
        (
            {"routes": [{"topic": "a"}, {}]},
            "[[routes]] #2 topic: missing; expected text, not empty",
        ),
        ({"routes": [7]}, "[[routes]] #1: expected a table of settings, got 7"),
        (
            {"routes": [{"topic": "a", "retain": 1}]},
            "[[routes]] #1 retain: expected true or false, got 1",
        ),
    ],
)
def test_wrong_table(tables: dict[str, Any], line: str) -> None:
    """Something else where a table belongs, and mistakes inside arrays of tables, have their place
    too.
    """
    assert problem(**tables) == line


@pytest.mark.parametrize(
    ("broker", "line"),
    [
        ({"engine": "external"}, 'url: missing; engine = "external" needs it'),
        ({"url": "mqtt://h"}, 'url: only for engine = "external", but the engine is "embedded"'),
        (
            {"engine": "external", "url": "mqtt://h", "tls": {}},
            'url: expected mqtts:// since there is a tls table, got "mqtt://h"',
        ),
        (
            {"engine": "external", "url": "mqtt://h", "password": "p"},
            "username: missing; password needs it",
        ),
    ],
)
def test_broker(broker: dict[str, Any], line: str) -> None:
    """The external engine needs its URL, and the others would not use it."""
    assert problem(broker=broker) == f"[broker] {line}"


@pytest.mark.parametrize(
    "url", ["h", "http://h", "mqtt://", "mqtt://h:99999", "mqtt://h:x", "mqtt://[::1", "mqtt://h/a"]
)
def test_broker_url(url: str) -> None:
    """What is no MQTT URL is refused."""
    assert f'got "{url}"' in problem(broker={"engine": "external", "url": url})


def test_password_in_a_url_is_not_shown() -> None:
    """Credentials belong into their own keys, and a complaint does not repeat them."""
    line = problem(broker={"engine": "external", "url": "mqtt://gateway:hunter2@h"})
    assert line.endswith('without user name and password, got "mqtt://***@h"')


def test_tls_files(tmp_path: Path) -> None:
    """TLS files must be there, and a certificate needs its key."""
    cert = tmp_path / "cert.pem"
    tls = {"cert": str(cert)}
    missing = "key: missing; expected a file that can be read"
    absent = f'cert: expected a file that can be read, got "{cert}": No such file or directory'
    assert problems(http={"tls": tls}) == [f"[http.tls] {absent}", f"[http.tls] {missing}"]
    cert.write_text("PEM")
    assert problems(http={"tls": tls}) == [f"[http.tls] {missing}"]
    external = {"engine": "external", "url": "mqtts://h"}
    assert problem(broker=external | {"tls": tls}) == "[broker.tls] key: missing; cert needs it"
    assert (
        problem(broker=external | {"tls": {"key": str(cert)}})
        == "[broker.tls] cert: missing; key needs it"
    )


def test_listeners_on_one_port() -> None:
    """Two listeners cannot share a fixed port of one address; free ports and other addresses are
    fine.
    """
    clash = "[mqtt] port: 9000 is taken by another listener of this file; give each its own port"
    assert problem(mqtt={"port": 9000}, http={"port": 9000}) == clash
    assert problem(mqtt={"port": 9000, "host": "127.0.0.1"}, http={"port": 9000}) == clash
    fine: list[dict[str, Any]] = [
        {"mqtt": {"port": 0}, "http": {"port": 0}},
        {"mqtt": {"port": 9, "host": "127.0.0.1"}, "http": {"port": 9, "host": "127.0.0.2"}},
        {
            "mqtt": {"port": 9},
            "http": {"port": 9},
            "broker": {"engine": "external", "url": "mqtt://h"},
        },
    ]
    for tables in fine:
        build(tables, {}, FILE)


def test_all_problems() -> None:
    """Every problem is told, unknown names before what they leave missing."""
    assert problems(http={"port": -1}, log={"levl": "info"}, routes=[{"tpoic": "a"}]) == [
        "[http] port: expected a port from 0 to 65535, got -1",
        '[log] levl: unknown key; did you mean "level"?',
        '[[routes]] #1 tpoic: unknown key; did you mean "topic"?',
        "[[routes]] #1 topic: missing; expected text, not empty",
    ]


names = (
    st.sampled_from(
        [*Settings.__struct_fields__, "tls", "port", "topic", "command", "value", "for"]
    )
    | st.text()
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**1000, max_value=2**1001)
    | st.floats()
    | st.text()
    | st.dates()
    | st.datetimes()
    | st.times()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)


def complaints(tables: dict[str, Any]) -> list[str]:
    """Give what is wrong with these tables, which may be nothing."""
    try:
        build(tables, {}, FILE)
    except ConfigError as error:
        return error.problems
    return []


@settings(deadline=None)
@given(st.dictionaries(names, values))
def test_any_tables(tables: dict[str, Any]) -> None:
    """Whatever a file holds, it is a configuration or a list of lines."""
    assert all(len(line.splitlines()) == 1 for line in complaints(tables))


rule_keys = st.sampled_from(
    [
        "name",
        "filter",
        "above",
        "below",
        "clear",
        "for",
        "silent",
        "command",
        "publish",
        "webhook",
        "url",
        "value",
    ]
)


@settings(deadline=None)
@given(st.lists(st.dictionaries(rule_keys, values, max_size=6), max_size=2))
def test_any_rules(rules: list[dict[str, Any]]) -> None:
    """Whatever rules hold, they are rules or a list of lines."""
    assert all(len(line.splitlines()) == 1 for line in complaints({"rules": rules}))
