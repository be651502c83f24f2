"""The catalog: every series there is, and what makes it durable."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway import catalog as catalogs
from gateway.catalog import Catalog
from gateway.errors import TooMany
from gateway.store.history import Opened
from gateway.store.sqlite import batch, history
from gateway.store.sqlite.database import open_sync


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database."""
    with closing(open_sync(tmp_path / "a.db")) as opened:
        yield opened


def save(db: sqlite3.Connection, catalog: Catalog) -> None:
    """Run what the catalog wants with the next batch."""
    batch.append(db, 1, [], catalog.take_unsaved())


def test_a_series_is_made_once(db: sqlite3.Connection) -> None:
    """The same type, device and channel are the same series, also after the next start."""
    catalog = Catalog(history.opened(db))
    series = catalog.series("telemetry", "k", "a")
    assert catalog.series("telemetry", "k", "a") is series
    others = [
        catalog.series("reply", "k", "a"),
        catalog.series("telemetry", "k", "b"),
        catalog.series("reply", "l", "a"),
    ]
    assert len({series.id, *(other.id for other in others)}) == len(catalog) == 4
    save(db, catalog)
    assert catalog.take_unsaved() == []
    again = Catalog(history.opened(db))
    assert again.series("telemetry", "k", "a").id == series.id
    assert again.take_unsaved() == []
    assert [s.path for s in again.of_device("l")] == ["l/a"]
    assert again.get(series.id) in again.all()


def test_latest_is_there_after_the_start(db: sqlite3.Connection) -> None:
    """The latest frame of a series is the greatest ts, the greater seq among equals."""
    catalog = Catalog(history.opened(db))
    a, b = catalog.series("telemetry", "k", "a"), catalog.series("telemetry", "k", "b")
    save(db, catalog)
    batch.append(
        db, 1, [(a, 5, "1", ""), (b, 7, "2", ""), (a, 5, "3", ',"received":9'), (a, 4, "4", "")], ()
    )
    again = Catalog(history.opened(db))
    a, b = again.series("telemetry", "k", "a"), again.series("telemetry", "k", "b")
    assert (a.latest_seq, a.latest_ts, a.latest) == (3, 5, a.json(3, 5, "3", ',"received":9'))
    assert (b.latest_seq, b.latest_ts) == (2, 7)


def test_too_many_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that makes up names has its fill; known names and other devices go on."""
    monkeypatch.setattr(catalogs, "MAX_SERIES", 2)
    catalog = Catalog(Opened("e", 0, [], 0, []))
    first = catalog.series("telemetry", "k", "1")
    catalog.series("telemetry", "k", "2")
    for _ in range(2):
        with pytest.raises(TooMany, match="k has 2 channels"):
            catalog.series("telemetry", "k", "3")
    assert catalog.series("telemetry", "k", "1") is first
    assert catalog.series("telemetry", "l", "3").id == 3


class Owners:
    """Ann, 1, owns k and l."""

    def __init__(self) -> None:
        self.devices = {"k": 1, "l": 1}

    def owner_of(self, device: str) -> int | None:
        return self.devices.get(device)

    def of_owner(self, user: int | None) -> list[str]:
        return [device for device, owner in self.devices.items() if owner == user]


def test_too_many_channels_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all of a user's devices; what is given away or removed does not count any more."""
    monkeypatch.setattr(catalogs, "MAX_OF_USER", 2)
    catalog = Catalog(Opened("e", 0, [], 0, []))
    catalog.owners = owners = Owners()
    catalog.series("telemetry", "k", "1")
    catalog.series("telemetry", "l", "1")
    with pytest.raises(TooMany, match="this user's devices have 2 channels"):
        catalog.series("telemetry", "k", "2")
    catalog.series("telemetry", "of nobody", "1")
    owners.devices["l"] = 2
    catalog.recount()
    catalog.series("telemetry", "k", "2")
    with pytest.raises(TooMany):
        catalog.series("telemetry", "k", "3")
    catalog.hide("k")
    catalog.series("telemetry", "k", "3")


def test_a_removed_device_is_not_inherited(db: sqlite3.Connection) -> None:
    """A new device of the same id has new series, and ids are not used again."""
    catalog = Catalog(history.opened(db))
    old = catalog.series("telemetry", "k", "a")
    save(db, catalog)
    hidden = catalog.hide("k")
    assert (catalog.get(old.id), list(catalog.of_device("k")), len(catalog)) == (None, [], 0)
    batch.append(db, 1_000_000, [], [hidden])
    again = Catalog(history.opened(db))
    assert len(again) == 0
    assert again.series("telemetry", "k", "a").id > old.id


@pytest.mark.parametrize("saved", [True, False])
def test_removed_and_made_again_within_one_batch(db: sqlite3.Connection, saved: bool) -> None:
    """The statements of one batch pass whatever the order in which the caller's own comes; the new
    series stays.
    """
    catalog = Catalog(history.opened(db))
    catalog.series("telemetry", "k", "a")
    if saved:
        save(db, catalog)
    hidden = catalog.hide("k")
    new = catalog.series("telemetry", "k", "a")
    save(db, catalog)  # the intake puts these first
    batch.append(db, 1_000_000, [], [hidden])
    assert [row[0] for row in history.opened(db).series] == [new.id]


def test_every_change_is_counted() -> None:
    """One series gone and one come is a change, though there are as many as before."""
    catalog = Catalog(Opened("e", 0, [], 0, []))
    seen = {catalog.changes}
    catalog.series("telemetry", "k", "a")
    seen.add(catalog.changes)
    catalog.hide("k")
    seen.add(catalog.changes)
    catalog.series("telemetry", "l", "a")
    seen.add(catalog.changes)
    assert len(seen) == 4
