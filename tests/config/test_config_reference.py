"""The table of settings that README, documentation and `gateway check` print."""

import tomllib
from pathlib import Path

from gateway import config
from gateway.config.load import build


def test_a_key() -> None:
    """A setting has its place, type, default, help and variable."""
    (port,) = [key for key in config.reference() if key.variable == "GATEWAY_HTTP__PORT"]
    assert (port.table, port.name, port.type) == ("[http]", "port", "a port from 0 to 65535")
    assert (port.default, port.help) == ("8080", "port for HTTP; 0 takes a free one")


def test_tables() -> None:
    """Nested tables and arrays of tables are named as they are written."""
    tables = {key.table for key in config.reference()}
    assert {"[mqtt.tls]", "[bridges.iotio]", "[[routes]]", "[[rules]]", "[rules.command]"} <= tables


def test_every_key_has_help() -> None:
    """A setting that nobody can explain should not be one."""
    assert all(key.help and key.type != "a value" for key in config.reference())


def test_defaults_are_as_in_a_file() -> None:
    """Every default that is shown can be written into the file, and changes nothing."""
    file = Path("gateway.toml")
    for key in config.reference():
        if key.variable and key.default not in ("none", "required") and "tls" not in key.table:
            tables = tomllib.loads(f"{key.table}\n{key.name} = {key.default}")
            assert build(tables, {}, file) == build({}, {}, file)
