"""docs/mqtt-conformance.md and the tests say the same: every statement has a test that names it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE = HERE.parents[3] / "docs" / "mqtt-conformance.md"
NAMED = re.compile(r"((?:[Ii]n 3\.1\.1|\[MQTT-[\d.-]+\]|[,\s])+):")
ROW = re.compile(r"\| (MQTT-[\d.-]+) \| [^|]+ \| ([^|]+) \|")
VERSIONS = ("## MQTT 5", "## MQTT 3.1.1")


def claims() -> dict[str, dict[str, set[str]]]:
    """Return the tests by the statements that their docstrings begin with, for each version."""
    found: dict[str, dict[str, set[str]]] = {version: defaultdict(set) for version in VERSIONS}
    for file in HERE.glob("test_conformance_*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith(
                "test_"
            ):
                named = NAMED.match(" ".join((ast.get_docstring(node) or "").split()))
                parts = re.split(r"[Ii]n 3\.1\.1", named[1]) if named else []
                for version, part in zip(VERSIONS, parts, strict=False):
                    for statement in re.findall(r"MQTT-[\d.-]+", part):
                        found[version][statement].add(node.name)
    return found


def rows() -> dict[str, dict[str, str]]:
    """Return the last cell of each statement's row, for each version."""
    found: dict[str, dict[str, str]] = {}
    for section in re.split(r"(?m)^(?=## )", TABLE.read_text()):
        title = section.split("\n", 1)[0]
        if title in VERSIONS:
            found[title] = dict(ROW.findall(section))
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_statement_has_a_test(version):
    """A row names tests that say they cover its statement, or why it does not apply."""
    covered = claims()[version]
    for statement, cell in rows()[version].items():
        tests = set(re.findall(r"`(\w+)`", cell))
        assert tests or cell.startswith("not applicable: "), (
            f"{version}: nothing covers {statement}"
        )
        assert tests <= covered[statement], (
            f"{version}: {tests - covered[statement]} do not say they cover {statement}"
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_statement_that_is_tested_has_a_row(version):
    """What a docstring names is a statement of that version."""
    assert set(claims()[version]) <= set(rows()[version])


@pytest.mark.parametrize(("version", "count"), [(VERSIONS[0], 234), (VERSIONS[1], 138)])
def test_the_table_is_whole(version, count):
    """No row is lost, and none stands twice."""
    section = TABLE.read_text().split(f"{version}\n")[1].split("\n## ")[0]
    assert len(ROW.findall(section)) == len(rows()[version]) == count
