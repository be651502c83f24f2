"""Which database a command opens: what reads makes none, what changes ends when it is known."""

from __future__ import annotations

import threading
import time

import pytest
from typer.testing import CliRunner

from gateway.cli import administration, app
from gateway.running import Whereabouts, alone, whereabouts

READING = [
    ["device", "list"],
    ["device", "show", "kitchen"],
    ["user", "list"],
    ["user", "password", "ann@example.com", "--password-stdin"],
    ["token", "list"],
    ["audit"],
    ["history", "kitchen", "temperature"],
    ["backup", "copy.db"],
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A directory without any file of a gateway's, where commands are called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    return tmp_path


def call(*words: str, status: int = 0) -> str:
    """Call a command; return what it says on stderr."""
    result = CliRunner().invoke(app, list(words), input="long enough\n")
    assert result.exit_code == status, result.output
    if status:
        assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_what_reads_makes_no_database(words, elsewhere):
    """In the wrong directory it says so, with status 1, and leaves nothing behind."""
    said = call(*words, status=1)
    assert said.count("\n") == 1
    assert "there is no database at" in said
    assert "--config" in said
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_config_file_without_its_database(words, elsewhere):
    """The right directory before the first start: what makes the database is said."""
    (elsewhere / "gateway.toml").write_text("")
    assert "`gateway run` makes it" in call(*words, status=1)
    assert [file.name for file in elsewhere.iterdir()] == ["gateway.toml"]


def test_an_empty_file_is_no_database(elsewhere):
    """A cron job's backup of what `touch` or a full disk left fails, and makes nothing of it."""
    (elsewhere / "data").mkdir()
    (elsewhere / "data/gateway.db").touch()
    assert "there is no database" in call("backup", "copy.db", status=1)
    assert not (elsewhere / "copy.db").exists()
    assert (elsewhere / "data/gateway.db").stat().st_size == 0


def test_a_new_database_without_a_config_file_is_said(elsewhere):
    """Whoever is in the wrong directory sees it at the first key, and only at the first."""
    said = call("device", "add", "kitchen")
    assert f"no gateway.toml in {elsewhere}" in said
    assert str(elsewhere / "data/gateway.db") in said
    assert call("device", "add", "lamp") == ""


def test_a_new_database_of_a_config_file_is_no_news(elsewhere):
    """There it belongs."""
    (elsewhere / "gateway.toml").write_text("")
    assert call("device", "add", "kitchen") == ""


@pytest.mark.parametrize("words", [["device", "list"], ["device", "add", "lamp"]], ids=" ".join)
def test_a_database_that_was_put_in_place_of_the_running_gateway_s(words, elsewhere):
    """What a command would find there is not what the gateway has: it says so and does nothing."""
    database = elsewhere / "data/gateway.db"
    call("device", "add", "kitchen")
    with alone(database) as lock:
        lock.tell(Whereabouts("http://localhost:1", "http://localhost:1", {}, 10**9))
        call("device", "list")
        database.rename(elsewhere / "moved.db")
        (elsewhere / "copy.db").write_bytes((elsewhere / "moved.db").read_bytes())
        (elsewhere / "copy.db").rename(database)
        assert "not the file that the running gateway has open" in call(*words, status=1)


def test_a_change_ends_when_the_running_gateway_has_read_it(elsewhere):
    """Not before: whoever uses the new key at once is let in."""
    database = elsewhere / "data/gateway.db"
    call("device", "add", "first")
    done = threading.Event()

    def add() -> None:
        call("device", "add", "kitchen")
        done.set()

    with alone(database) as lock:
        lock.tell(Whereabouts("http://localhost:1", "http://localhost:1", {}))
        adding = threading.Thread(target=add)
        adding.start()
        while (found := whereabouts(database)) is None:
            time.sleep(0.01)
        assert found.revision == 0
        assert not done.wait(0.3)
        lock.read_upto(10**9)
        adding.join()
    assert done.is_set()


def test_a_gateway_that_does_not_read_is_said(elsewhere, monkeypatch):
    """The change is made; that it is not in effect is a line on stderr."""
    monkeypatch.setattr(administration, "PATIENCE", 0.0)
    call("device", "add", "first")
    with alone(elsewhere / "data/gateway.db") as lock:
        lock.tell(Whereabouts("http://localhost:1", "http://localhost:1", {}))
        assert "has not read this yet" in call("device", "add", "kitchen")
    assert call("device", "show", "kitchen") == ""
