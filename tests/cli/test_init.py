"""`gateway init`: files for one pair of eyes, and what to do next."""

import tomllib

import pytest
from typer.testing import CliRunner

from gateway.cli import app


def init(*words: str) -> str:
    """Call it; return what it says."""
    result = CliRunner().invoke(app, ["init", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_it_makes_is_private(here):
    """The file may come to hold passwords, the database holds hashes of them."""
    init()
    for name in ("gateway.toml", "data/gateway.db"):
        assert (here / name).stat().st_mode & 0o777 == 0o600


def test_what_is_there_stays(here):
    """The file's text and its mode."""
    (here / "gateway.toml").write_text("[http]\nport = 9000\n")
    (here / "gateway.toml").chmod(0o640)
    assert "left as it is" in init()
    assert tomllib.loads((here / "gateway.toml").read_text()) == {"http": {"port": 9000}}
    assert (here / "gateway.toml").stat().st_mode & 0o777 == 0o640


def test_the_next_commands_name_the_file(here):
    """They can be copied; in the file's own directory they need no option."""
    file = here / "my gateway" / "gateway.toml"
    for command in ("gateway user add", "gateway device add", "gateway run"):
        (line,) = (line for line in init("--config", str(file)).splitlines() if command in line)
        assert f"--config '{file}'" in line
    assert "--config" not in init()
