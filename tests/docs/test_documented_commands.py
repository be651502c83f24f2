"""docs/command-line.md names every command and every option, and none that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from gateway.cli import app

TEXT = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
ROW = re.compile(r"^\| `gateway ((?:[a-z-]+ ?)+)([^`]*)` \|((?:\\\||[^|])*)\|", re.MULTILINE)
EVERYWHERE = {"--config", "--help"}


def documented() -> dict[str, tuple[list[str], set[str]]]:
    """By command: the arguments of its row as written, and its options."""
    return {
        name.strip(): (arguments.split(), set(re.findall(r"`(--[a-z-]+)", options)))
        for name, arguments, options in ROW.findall(TEXT)
    }


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its words after `gateway`."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    for name in inner or ():
        yield from commands(inner[name], *path, name)


def options(command: Any) -> set[str]:
    """The long names of a command's options."""
    return {
        name for each in command.params for name in each.opts if name.startswith("--")
    } - EVERYWHERE


def arguments(command: Any) -> list[bool]:
    """Whether each argument is required."""
    return [each.required for each in command.params if each.param_type_name == "argument"]


FOUND = dict(commands(typer.main.get_command(app)))


def test_commands_are_documented() -> None:
    """The page has a row for each command, with its options."""
    assert {name: taken for name, (_, taken) in documented().items()} == {
        name: options(command) for name, command in FOUND.items()
    }


def test_arguments_are_documented() -> None:
    """As many arguments, those that may be left out in brackets."""
    for name, (written, _) in documented().items():
        assert [not word.startswith("[") for word in written] == arguments(FOUND[name]), name


def test_every_command_takes_a_config() -> None:
    """The page promises it of all of them, and `-c` for short."""
    for name, command in FOUND.items():
        assert {"--config", "-c"} <= {opt for each in command.params for opt in each.opts}, name


def test_options_of_gateway_itself() -> None:
    """`gateway --version` and no other."""
    assert options(typer.main.get_command(app)) == {"--version"}
    assert "`gateway --version`" in TEXT
