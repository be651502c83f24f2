"""Settings from the environment: `GATEWAY_HTTP__PORT=9000` for `port` in `[http]`."""

import json
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from gateway.config.complaints import KeyPath

PREFIX = "GATEWAY_"


def overlay(
    tables: dict[str, Any], environ: Mapping[str, str], whole: Collection[str]
) -> set[KeyPath]:
    """Put the variables into the file's tables; the answer is every path that they set.

    Values stay text until their kind is known. A variable without `__` is somebody else's, unless
    it names one of `whole`, the arrays of tables.
    """
    paths: set[KeyPath] = set()
    for name in sorted(environ):
        parts = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if name.startswith(PREFIX) and (len(parts) > 1 or parts[0] in whole):
            _put(tables, parts, environ[name], paths)
    return paths


def _put(tables: dict[str, Any], path: tuple[str, ...], text: str, paths: set[KeyPath]) -> None:
    for depth, part in enumerate(path[:-1], start=1):
        inner = tables.get(part)
        if (
            isinstance(inner, str) and path[:depth] in paths
        ):  # GATEWAY_MQTT__TLS, then GATEWAY_MQTT__TLS__PORT
            inner = structured(inner)
        if not isinstance(inner, dict):
            inner = {}
            paths.add(path[:depth])
        tables[part] = inner
        tables = inner
    tables[path[-1]] = text
    paths.add(path)


def structured(text: str) -> Any:
    """Read a list or a table written as in TOML or JSON; the text itself if it is neither."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def listed(text: str) -> Any:
    """Read a list of texts, which may also be written with commas: `thermostat, lights`."""
    value = structured(text)
    return [part.strip() for part in text.split(",") if part.strip()] if value is text else value
