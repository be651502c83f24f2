"""What is wrong with a configuration, in lines a person can act on."""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

KeyPath = tuple[str | int, ...]
"""Where a setting is: `("http", "port")`, or `("rules", 0, "command", "name")`."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CREDENTIALS = re.compile(r"//.*@")
_LONGEST = 120


class ConfigError(Exception):
    """The configuration cannot be used: `problems` has a line for each thing wrong, the text is the
    first.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0])
        self.problems = problems


class Places:
    """Names the place of a setting: in the file, or the variable of the environment that replaced
    it.
    """

    def __init__(self, file: Path, overridden: Iterable[KeyPath]) -> None:
        self._file = file
        self._overridden = frozenset(overridden)

    def from_environment(self, path: KeyPath) -> bool:
        """Whether this setting, or a table around it, was set by a variable."""
        return any(path[:length] in self._overridden for length in range(1, len(path) + 1))

    def name(self, path: KeyPath) -> str:
        """Give `gateway.toml: [http] port`, or `environment: GATEWAY_HTTP__PORT`."""
        if self.from_environment(path):
            return f"environment: {variable(path)}"
        return f"{self._file}: {place(path)}" if path else str(self._file)


def variable(path: KeyPath) -> str:
    """Give the variable that sets a key: `GATEWAY_MQTT__TLS__CERT`."""
    return shown_key("GATEWAY_" + "__".join(str(part) for part in path).upper())


def place(path: KeyPath) -> str:
    """Write where a key stands in the file: `[http] port`, `[[rules]] #1 clear`."""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            return (
                f"{header(path[:depth], array=True)} #{part + 1} {_dotted(path[depth + 1 :])}"
            ).rstrip()
    if len(path) == 1:
        return header(path)
    return f"{header(path[:-1])} {_dotted(path[-1:])}"


def header(path: KeyPath, *, array: bool = False) -> str:
    """Write a table's name as it stands in the file: `[mqtt.tls]`, `[[rules]]`."""
    return f"[[{_dotted(path)}]]" if array else f"[{_dotted(path)}]"


def _dotted(path: KeyPath) -> str:
    return ".".join(shown_key(str(part)) for part in path)


def shown_key(key: str) -> str:
    """Write a key bare where TOML allows it, else quoted, always on one line."""
    return key if _BARE.fullmatch(key) else quoted(key)


def shown(value: object) -> str:
    """Write what was found, short and on one line; passwords inside URLs are left out."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(_CREDENTIALS.sub("//***@", value))
        case int() | float() if abs(value) < 1e18:
            return str(value)
        case dict():
            return "a table"
        case list():
            return "a list"
        case int():
            return "a number far too large"
    return str(value)


def quoted(text: str) -> str:
    """Quote a text, on one line and shortened; what cannot be printed is escaped."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "..."
    return json.dumps(text, ensure_ascii=not text.isprintable())


def meant(key: str, candidates: Iterable[str]) -> str | None:
    """Find the name that a misspelt one most likely stands for."""
    return next(iter(get_close_matches(key.lower(), list(candidates), n=1)), None)
