"""The audit's table."""

from __future__ import annotations

import pytest

from gateway.store.audit import By, Deed
from gateway.store.sqlite import audit
from gateway.store.sqlite.database import open_sync


@pytest.fixture
def db(tmp_path):
    """An empty database."""
    connection = open_sync(tmp_path / "gateway.db", "normal")
    yield connection
    connection.close()


def test_entries_come_newest_first_and_page_by_id(db):
    """A page goes on where the one before ended."""
    for number in range(5):
        audit.record(db, By("user:1", "10.0.0.1", number), "create", f"device:{number}", name="x")
    first = audit.read(db, limit=2)
    assert [entry.object for entry in first] == ["device:4", "device:3"]
    second = audit.read(db, before=first[-1].id, limit=2)
    assert [entry.object for entry in second] == ["device:2", "device:1"]
    assert second[0].actor == "user:1"
    assert second[0].detail == {"name": "x"}


def test_trim_keeps_the_newest(db):
    """The audit is bounded, and a flood of failed sign-ins does not push out who changed what."""
    for number in range(5):
        audit.record(db, By("a", "", number), "do", "")
    audit.append(
        db,
        [Deed(at=number, actor="", action="sign in failed") for number in range(10, 20)],
        routine=True,
    )
    audit.trim(db, 2)
    assert [entry.at for entry in audit.read(db)] == [19, 18, 4, 3]
    audit.trim(db, 2)
    assert len(audit.read(db)) == 4
