"""`gateway backup`: a copy that can take the database's place."""

import json
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli import app
from gateway.frames import Series
from gateway.store.sqlite import batch, history
from gateway.store.sqlite.database import open_sync, transaction

SERIES = Series(1, "telemetry", "kitchen", "temperature")


def filled(path: Path) -> None:
    """Make a database with a thousand frames."""
    with closing(open_sync(path)) as db, transaction(db):
        db.execute(
            "INSERT INTO series (id, type, device, channel) VALUES (1, 'telemetry', "
            "'kitchen', 'temperature')"
        )
        batch.append(db, 1, [(SERIES, ts, str(ts), "") for ts in range(1_000)], ())


def test_a_copy_is_whole_and_has_a_name_of_its_own(tmp_path: Path) -> None:
    """All frames are in it; its epoch is another, so that listeners who saw later frames are told
    of a gap.
    """
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    filled(tmp_path / "gateway.db")
    copy = tmp_path / "copy.db"
    command = ["backup", str(copy), "--config", str(tmp_path / "gateway.toml")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert copy.stat().st_mode & 0o077 == 0
    with closing(open_sync(tmp_path / "gateway.db")) as source, closing(open_sync(copy)) as copied:
        there = [history.after(db, 0, 1_000, None, 10_000).rows for db in (source, copied)]
        assert there[0] == there[1]
        assert len(there[0]) == 1_000
        assert history.opened(copied).epoch != history.opened(source).epoch
        assert copied.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_script_is_told_the_size(tmp_path: Path) -> None:
    """With --json, one object with the file and its bytes, and nothing else."""
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    filled(tmp_path / "gateway.db")
    copy = tmp_path / "copy.db"
    result = CliRunner().invoke(
        app, ["backup", str(copy), "--json", "--config", str(tmp_path / "gateway.toml")]
    )
    assert json.loads(result.stdout) == {"file": str(copy), "bytes": copy.stat().st_size}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file that is there stays as it is; a directory that is not there is said."""
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    (tmp_path / "precious").write_text("mine")
    for name in ("precious", "nowhere/copy.db"):
        command = ["backup", str(tmp_path / name), "--config", str(tmp_path / "gateway.toml")]
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_damaged_database_is_not_copied(tmp_path: Path) -> None:
    """One line says that it is damaged, and no copy is left that somebody could trust."""
    (tmp_path / "gateway.toml").write_text('[store]\npath = "gateway.db"\n')
    database = tmp_path / "gateway.db"
    filled(database)
    data = bytearray(database.read_bytes())
    at = data.rindex(b"999") // 4096 * 4096
    data[at : at + 4096] = b"\xff" * 4096
    database.write_bytes(data)
    copy = tmp_path / "copy.db"
    command = ["backup", str(copy), "--config", str(tmp_path / "gateway.toml")]
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "damaged" in result.stderr
    assert not copy.exists()
