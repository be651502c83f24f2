"""What every command shares: `--config`, `--json`, errors in one line; exit 0 done, 1 refused, 2
wrong use.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from gateway.config import ConfigError, load
from gateway.config.load import DEFAULT
from gateway.frames import to_json
from gateway.printable import printable

if TYPE_CHECKING:
    from gateway.config import Config

REFUSED, WRONG = 1, 2

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="GATEWAY_CONFIG",
        help="The config file; else gateway.toml in this directory.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def configured(path: Path | None) -> Config:
    """Return the config, or end with status 2 and one line that says what is wrong."""
    try:
        return load(path, os.environ)
    except ConfigError as error:
        fail(str(error), WRONG)


def config_file(path: Path | None) -> Path:
    """Name the config file that counts, whether it is there or not."""
    return path or DEFAULT


def note(message: str) -> None:
    """Say something beside the result, in a line on stderr."""
    err.print(f"gateway: {printable(message)}", markup=False)


def fail(message: str, status: int = REFUSED) -> NoReturn:
    """End with a line on stderr."""
    err.print(
        f"gateway: {printable(message)}", style="red" if err.is_terminal else None, markup=False
    )
    raise typer.Exit(status)


def show_json(value: Any) -> None:
    """Print one JSON object on a line of its own."""
    sys.stdout.write(to_json(value) + "\n")
