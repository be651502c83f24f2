"""The environment: every key by a variable, as text, over the file."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import Config, ConfigError
from gateway.config.load import build

FILE = Path("gateway.toml")


def load(environ: dict[str, str], **tables: Any) -> Config:
    """Load these tables with these variables over them."""
    return build(tables, environ, FILE)


def problem(environ: dict[str, str], **tables: Any) -> str:
    """Give the only thing wrong with these variables."""
    with pytest.raises(ConfigError) as caught:
        load(environ, **tables)
    (line,) = caught.value.problems
    return line


def test_over_the_file() -> None:
    """A variable replaces what the file says, and leaves the rest of the table."""
    http = load({"GATEWAY_HTTP__PORT": "9000"}, http={"port": 1, "host": "::1"}).http
    assert (http.port, http.host) == (9000, "::1")


def test_every_type() -> None:
    """Texts become numbers, truth values, durations, sizes and paths."""
    loaded = load(
        {
            "GATEWAY_HISTORY__KEEP": "1h",
            "GATEWAY_HISTORY__MAX_SIZE": "2MB",
            "GATEWAY_BRIDGES__IOTIO__ANONYMOUS": "true",
            "GATEWAY_STORE__PATH": "/tmp/a.db",
            "GATEWAY_LOG__FORMAT": "json",
            "GATEWAY_ACCESS__CLAIM_CODE": "12345678",
        }
    )
    assert (loaded.history.keep, loaded.history.max_size) == (3600, 2 << 20)
    assert loaded.bridges.iotio.anonymous is True
    assert (loaded.store.path, loaded.log.format) == (Path("/tmp/a.db"), "json")
    assert loaded.access.claim_code == "12345678"


@pytest.mark.parametrize(
    "text", ["a,house.b", " a , house.b ", '["a", "house.b"]', "['a', 'house.b']"]
)
def test_lists(text: str) -> None:
    """A list is written with commas, as JSON or as TOML."""
    assert load({"GATEWAY_HANDLERS__MODULES": text}).handlers.modules == ("a", "house.b")


def test_empty_list() -> None:
    """An empty text is an empty list."""
    assert (
        load({"GATEWAY_HANDLERS__MODULES": ""}, handlers={"modules": ["a"]}).handlers.modules == ()
    )


@pytest.mark.parametrize(
    "form", ['{{cert = "{0}", key = "{0}"}}', '{{"cert": "{0}", "key": "{0}"}}']
)
def test_tables(tmp_path: Path, form: str) -> None:
    """An inline table is written as TOML or JSON, and single keys of it may follow."""
    pem = tmp_path / "a.pem"
    pem.write_text("PEM")
    tls = load({"GATEWAY_MQTT__TLS": form.format(pem), "GATEWAY_MQTT__TLS__PORT": "1"}).mqtt.tls
    assert tls is not None
    assert (tls.cert, tls.key, tls.port) == (pem, pem, 1)


def test_a_table_key_by_key(tmp_path: Path) -> None:
    """An inline table can be set by its keys alone."""
    pem = tmp_path / "a.pem"
    pem.write_text("PEM")
    environ = {"GATEWAY_HTTP__TLS__CERT": str(pem), "GATEWAY_HTTP__TLS__KEY": str(pem)}
    tls = load(environ).http.tls
    assert tls is not None
    assert (tls.cert, tls.key) == (pem, pem)


def test_arrays_of_tables() -> None:
    """Routes and rules are set as a whole."""
    (route,) = load(
        {"GATEWAY_ROUTES": '[{topic = "a", decode = "text"}]'}, routes=[{"topic": "b"}]
    ).routes
    assert (route.topic, route.decode) == ("a", "text")


def test_other_variables() -> None:
    """Variables of other meaning are not looked at."""
    environ = {
        "GATEWAY_CONFIG": "x",
        "HTTP__PORT": "x",
        "GATEWAY_": "",
        "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1",
    }
    assert load(environ) == load({})


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("HTTP__PORT", "eighty", 'expected a port from 0 to 65535, got "eighty"'),
        ("HTTP__PORT", "", 'expected a port from 0 to 65535, got ""'),
        ("HTTP__PROT", "1", 'unknown key; did you mean "port"?'),
        ("BRIDGES__IOTIO__ANONYMOUS", "perhaps", 'expected true or false, got "perhaps"'),
        ("HTTP__TLS", "yes", 'expected a table of settings, got "yes"'),
        ("HTTP__PORT__X", "1", "expected a port from 0 to 65535, got a table"),
        ("ROUTES", "x", 'expected [[routes]] in doubled brackets, got "x"'),
        (
            "ACCESS__CLAIM_CODE",
            "hunter2",
            "expected a text of at least 8 characters, got something else",
        ),
    ],
)
def test_mistakes(name: str, text: str, line: str) -> None:
    """A wrong variable is named, not the file."""
    where = name.removesuffix("__X")
    assert problem({f"GATEWAY_{name}": text}) == f"environment: GATEWAY_{where}: {line}"


def test_unknown_table() -> None:
    """A misspelt table in a variable is as wrong as one in the file."""
    assert (
        problem({"GATEWAY_HTPP__PORT": "1"})
        == "environment: GATEWAY_HTPP: unknown table; did you mean [http]?"
    )


def test_file_and_environment() -> None:
    """A problem of the file beside a variable is still the file's."""
    environ = {"GATEWAY_HTTP__PORT": "9000"}
    assert (
        problem(environ, http={"host": 7})
        == "gateway.toml: [http] host: expected an address or host name, got 7"
    )


names = st.lists(
    st.sampled_from(
        ["HTTP", "MQTT", "TLS", "PORT", "ROUTES", "RULES", "BRIDGES", "HANDLERS", "MODULES", ""]
    )
    | st.text(),
    max_size=4,
).map(lambda parts: "GATEWAY_" + "__".join(parts))


@settings(deadline=None)
@given(
    st.dictionaries(names, st.text() | st.from_regex(r"[\[{\"0-9,:=} \]a]{0,30}", fullmatch=True))
)
def test_any_environment(environ: dict[str, str]) -> None:
    """Whatever the environment holds, it is a configuration or a list of lines."""
    try:
        load(environ)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = []
    assert all(len(line.splitlines()) == 1 for line in problems)
