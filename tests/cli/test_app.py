"""What every command shares: which config file counts, and what ends it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app


@pytest.fixture
def broken(tmp_path):
    """A config file with one mistake."""
    file = tmp_path / "elsewhere.toml"
    file.write_text("[http]\nprot = 1\n")
    return file


def problems(*words: str, env: dict[str, str] | None = None) -> list[str]:
    """What `gateway check` complains of."""
    result = CliRunner().invoke(app, ["check", "--json", *words], env=env)
    found: list[str] = json.loads(result.stdout)["problems"]
    return found


def test_the_environment_names_the_config_file(broken, tmp_path, monkeypatch):
    """A whole machine can have one file, wherever its commands are called."""
    monkeypatch.chdir(tmp_path)
    assert problems() == []
    (problem,) = problems(env={"GATEWAY_CONFIG": str(broken)})
    assert problem.startswith(f"{broken}: [http] prot: unknown key")


def test_an_option_counts_more_than_the_environment(broken, tmp_path):
    """What is typed for one command wins."""
    fine = tmp_path / "fine.toml"
    fine.write_text("")
    assert problems("--config", str(fine), env={"GATEWAY_CONFIG": str(broken)}) == []
