"""Loading: the file, then the environment over it, then types and checks."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.complaints import ConfigError, Places
from gateway.config.environment import overlay
from gateway.config.kinds import kind_of
from gateway.config.model import Config, Settings
from gateway.config.reader import Reader

DEFAULT = Path("gateway.toml")
ARRAYS = frozenset(
    field.name for field in msgspec.structs.fields(Settings) if kind_of(field.type).many
)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Load the configuration from `path`, or from `gateway.toml` in the working directory where
    there is one.

    Variables such as `GATEWAY_HTTP__PORT` replace what the file says. ConfigError lists all that is
    wrong.
    """
    file = path if path is not None else DEFAULT
    return build(_parse(file, required=path is not None), environ, file)


def build(tables: dict[str, Any], environ: Mapping[str, str], file: Path) -> Config:
    """Make the configuration from a file's tables and the environment; relative paths start beside
    `file`.
    """
    directory = file.absolute().parent
    places = Places(file, overlay(tables, environ, ARRAYS))
    reader = Reader(directory, places)
    settings = reader.table((), tables, Settings)
    if settings is None:
        raise ConfigError(reader.problems)
    return Config.of(settings, directory)


def _parse(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = file.read_text(
            encoding="utf-8-sig"
        )  # Windows editors may put a byte order mark in front
    except FileNotFoundError as error:
        if not required:
            return {}
        raise ConfigError([f"{file}: no such file"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 text (at byte {error.start})"]) from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            [f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}"]
        ) from error
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError([f"{file}: nested too deeply"]) from error
    except ValueError as error:
        raise ConfigError([f"{file}: not valid TOML: {error}{_hint(text, error)}"]) from error


def _hint(text: str, error: ValueError) -> str:
    """Say what is probably meant where TOML only says what it cannot read."""
    if twice := _TWICE.search(str(error)):
        return f": the table [{'.'.join(re.findall(_WORD, twice[1]))}] stands here twice"
    line = _LINE.search(str(error))
    lines = text.splitlines()
    written = lines[int(line[1]) - 1] if line and int(line[1]) <= len(lines) else ""
    if bare := _BARE.fullmatch(written.strip()):
        return f': put the value in quotes: {bare[1]} = "{bare[2]}"'
    return ""


_WORD = r"'([^']*)'"
_TWICE = re.compile(r"Cannot declare \((.*?)\) twice")
_LINE = re.compile(r"at line (\d+)")
_BARE = re.compile(r"([\w-]+)\s*=\s*([A-Za-z0-9][\w./:-]*)\s*(?:#.*)?")
