"""The two views that are an interface: their columns and what is in them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.frames import Series
from gateway.store.facts import SeriesHidden
from gateway.store.sqlite import aggregates, batch, history
from gateway.store.sqlite.database import open_sync

COLUMNS = ["ts", "time", "device", "channel", "value", "number", "seq"]
T = 1_763_673_303_125


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Frames of two devices, of which the first three are in the index by time."""
    db = open_sync(Path(":memory:"))
    found = [
        Series(1, "telemetry", "a", "t"),
        Series(2, "telemetry", "a", "on"),
        Series(3, "command", "a", "t"),
        Series(4, "telemetry", "b", "t"),
    ]
    db.executemany(
        "INSERT INTO series (id, type, device, channel) VALUES (?,?,?,?)",
        [(s.id, s.type, s.device, s.channel) for s in found],
    )
    t, on, command, other = found
    batch.append(db, 1, [(t, T, "21.5", ""), (on, T, "true", ""), (t, T - 9, "1e1", "")], ())
    run = aggregates.next_run(db, 3, 10)
    assert run is not None
    aggregates.add(db, run, 0, 3)
    aggregates.finish(db, run)
    more = [(t, T, "3", ""), (on, T + 1, '"x"', ""), (command, T + 5, "9", ""), (other, T, "1", "")]
    batch.append(db, 4, more, [SeriesHidden("b", 4)])
    yield db
    db.close()


def test_readings(db: sqlite3.Connection) -> None:
    """Every value of every device that is there, folded or not; no commands."""
    found = db.execute("SELECT * FROM readings ORDER BY seq")
    assert [column[0] for column in found.description] == COLUMNS
    time = "2025-11-20T21:15:03.125Z"
    assert found.fetchall() == [
        (T, time, "a", "t", "21.5", 21.5, 1),
        (T, time, "a", "on", "true", 1.0, 2),
        (T - 9, "2025-11-20T21:15:03.116Z", "a", "t", "1e1", 10.0, 3),
        (T, time, "a", "t", "3", 3.0, 4),
        (T + 1, "2025-11-20T21:15:03.126Z", "a", "on", '"x"', None, 5),
    ]


def test_latest(db: sqlite3.Connection) -> None:
    """One row a channel: the greatest ts, the greater seq among equals."""
    found = db.execute("SELECT * FROM latest ORDER BY channel")
    assert [column[0] for column in found.description] == COLUMNS
    assert [(row[3], row[4], row[6]) for row in found] == [("on", '"x"', 5), ("t", "3", 4)]


def test_a_range_of_readings_uses_the_index(db: sqlite3.Connection) -> None:
    """A condition on device, channel and ts does not read all frames."""
    plan = db.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM readings WHERE device = 'a' AND channel = 't' AND "
        "ts > ?", (T,)
    ).fetchall()  # fmt: skip
    told = " ".join(row[3] for row in plan)
    assert "SEARCH i USING PRIMARY KEY (series=? AND ts>?" in told
    assert history.newest(db) == 7
