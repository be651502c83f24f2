"""`gateway history usage`: what history takes of the disk."""

import json
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli import app
from tests.cli.test_backup_command import filled


def test_usage(tmp_path: Path) -> None:
    """A table for people, one object for scripts; a channel alone is wrong use."""
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    filled(tmp_path / "gateway.db")
    where = ["--config", str(tmp_path / "gateway.toml")]
    shown = CliRunner().invoke(app, ["history", "usage", *where])
    assert shown.exit_code == 0, shown.output
    assert "kitchen/temperature" in shown.output
    assert "the rate is not known yet" in shown.output
    said = json.loads(CliRunner().invoke(app, ["history", "usage", "--json", *where]).output)
    assert said["max_size"] == 4 << 30
    assert said["channels"][0]["device"] == "kitchen"
    assert CliRunner().invoke(app, ["history", "kitchen", *where]).exit_code == 2
