"""The lock file: one gateway a database, where it listens, and what it has read."""

import os
import threading
import time

import pytest

from gateway import running
from gateway.errors import Conflict
from gateway.inodes import inode
from gateway.running import Whereabouts, alone, whereabouts


@pytest.fixture
def database(tmp_path):
    """A database file."""
    file = tmp_path / "data" / "gateway.db"
    file.parent.mkdir()
    file.write_bytes(b"SQLite")
    return file


@pytest.fixture
def impatient(monkeypatch):
    """Whoever finds the lock taken gives up at once."""
    monkeypatch.setattr(running, "PATIENCE", 0.0)


def here() -> Whereabouts:
    """Where a gateway listens."""
    return Whereabouts("http://localhost:1", "http://192.168.1.10:1", {"http": 1})


def test_a_running_gateway_says_where_and_what_it_has_read(database):
    """While it runs, and no longer."""
    with alone(database) as lock:
        lock.read_upto(3)  # before it listens, there is nothing to say it to
        assert whereabouts(database) is None
        lock.tell(here())
        found = whereabouts(database)
        assert found is not None
        assert (found.public_url, found.ports) == ("http://192.168.1.10:1", {"http": 1})
        assert (found.revision, found.database) == (0, inode(database))
        lock.read_upto(1_000)
        lock.read_upto(7)
        found = whereabouts(database)
        assert found is not None
        assert found.revision == 7
    assert whereabouts(database) is None


def test_a_second_one_is_refused_under_any_name(database, tmp_path, impatient):
    """The same path, a symbolic link to the file, and one to its directory."""
    (tmp_path / "link.db").symlink_to(database)
    (tmp_path / "elsewhere").symlink_to(database.parent)
    with alone(database) as lock:
        lock.tell(here())
        for name in (database, tmp_path / "link.db", tmp_path / "elsewhere" / "gateway.db"):
            with pytest.raises(Conflict, match="another gateway is running"), alone(name):
                pass
            assert whereabouts(name) is not None


def test_a_file_with_a_second_name_is_refused(database, tmp_path):
    """Under each name SQLite would write a log of its own."""
    os.link(database, tmp_path / "same.db")
    with pytest.raises(Conflict, match="hard link"), alone(database):
        pass


def test_nobody_else_can_hold_the_lock(database):
    """Neither a new lock file nor one of an older version is for other users."""
    file = database.with_name("gateway.db.lock")
    for _ in range(2):
        with alone(database):
            assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)


def test_who_only_looks_stops_no_start(database):
    """A command that looks holds the lock for a moment, and the gateway waits for that moment."""
    looking, started = threading.Event(), threading.Event()

    def look() -> None:
        with alone(database):
            looking.set()
            time.sleep(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    looking.wait()
    with alone(database):
        started.set()
    thread.join()
    assert started.is_set()


def test_a_directory_that_cannot_be_made(tmp_path):
    """The reason, and where to look."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Conflict, match="look at its owner"), alone(tmp_path / "file" / "x.db"):
        pass


def test_a_lock_file_of_somebody_else(database, monkeypatch):
    """A command of another user says as whom to run it."""

    def refused(path, _flags):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(Conflict, match="run this as the gateway's user"):
        whereabouts(database)
