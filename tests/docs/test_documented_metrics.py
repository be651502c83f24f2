"""docs/operations.md names every metric of /metrics, whatever the engine, and its unit file is
one.
"""

import re
from pathlib import Path

import pytest
import typer

from gateway.cli import app
from tests.end_to_end.conftest import house

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
NAMED = set(re.findall(r"^\| `((?:gateway|process)_\w+)` \|", TEXT, re.MULTILINE))
ENGINES = [
    {"engine": "embedded"},
    {"engine": "amqtt"},
    {"engine": "external", "url": "mqtt://127.0.0.1:1"},
]


async def metrics(directory: Path, engine: dict[str, str]) -> set[str]:
    """The names that /metrics gives with an engine; an external one need not be there for that."""
    async with (
        house(directory, broker=engine) as here,
        here.http.get(f"{here.url}/metrics") as answer,
    ):
        assert answer.status == 200
        return {
            line.split(" ")[0]
            for line in (await answer.text()).splitlines()
            if not line.startswith("#")
        }


async def test_metrics_are_documented(tmp_path: Path) -> None:
    """The table has each metric of each engine, and no other."""
    found: set[str] = set()
    for engine in ENGINES:
        (directory := tmp_path / engine["engine"]).mkdir()
        found |= await metrics(directory, engine)
    assert found == NAMED


@pytest.mark.parametrize("page", ["operations.md", "command-line.md"])
def test_commands_in_examples_exist(page: str) -> None:
    """Each `gateway ...` in a shell example begins with words that the command line knows."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    groups = typer.main.get_command(app).commands
    said = [
        words
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for words in re.findall(
            r"(?:^|bin/|-u gateway )gateway ([a-z-]+)(?: ([a-z-]+))?", block, re.MULTILINE
        )
    ]
    assert said
    for first, second in said:
        assert first in groups
        assert second in getattr(groups[first], "commands", {second})
