"""Any text can be stored, wherever it comes from."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import Series, to_json
from gateway.store.audit import Deed
from gateway.store.facts import SeriesAdded
from gateway.store.sqlite import audit, batch, history
from gateway.store.sqlite.database import open_sync, transaction
from gateway.store.sqlite.storable import storable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

ANY_TEXT = st.text(st.characters())  # lone surrogates are among these
SURROGATE = "a\ud800b"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """An open database."""
    path: Path = tmp_path_factory.mktemp("storable") / "gateway.db"
    with closing(open_sync(path, "normal")) as opened:
        yield opened


@given(text=ANY_TEXT)
def test_any_text_becomes_one_that_utf8_has(text: str) -> None:
    """A text that UTF-8 has stays as it is."""
    safe = storable(text)
    safe.encode()
    try:
        text.encode()
    except UnicodeEncodeError:
        assert "\ufffd" in safe or len(safe) < len(text)  # two halves became one character
    else:
        assert safe == text


@given(text=ANY_TEXT)
def test_any_text_is_audited(db: sqlite3.Connection, text: str) -> None:
    """Whoever fails to sign in chooses the name; it must not cost the audit anything."""
    deed = Deed(at=1, actor=text, action="sign in failed", object=text, detail={text: [text]})
    with transaction(db):
        audit.append(db, [deed], routine=True)
    assert audit.read(db, limit=1)[0].object == storable(text)


@given(text=ANY_TEXT)
def test_any_text_can_be_looked_for(db: sqlite3.Connection, text: str) -> None:
    """A question with a text that no row can have is answered, not raised."""
    row = db.execute("SELECT :text", {"text": text}).fetchone()
    assert row == (storable(text),)


def test_an_entry_that_cannot_be_stored_is_changed_in_place(db: sqlite3.Connection) -> None:
    """What is shown to listeners is what history has, and the batch goes through."""
    series = Series(1, "telemetry", "kitchen", "t")
    good = [(series, ts, str(ts), "") for ts in range(300)]
    entries = [
        *good,
        (series, 1, f'"{SURROGATE}"', f',"id":"{SURROGATE}"'),
        (series, 1 << 70, "1", ""),
    ]
    with transaction(db):
        batch.append(db, 1, entries, ())
    rows = history.after(db, 0, 1_000, None, 1_000).rows
    assert [row[2:] for row in rows] == [entry[1:] for entry in entries]
    assert entries[300][2] == to_json("a\ufffdb")


@pytest.mark.parametrize("value", [1 << 70, object()])
def test_what_cannot_be_stored_is_left_out(
    db: sqlite3.Connection, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A number beyond SQLite's, or no value at all, costs its own statement and nothing else."""
    with transaction(db):
        batch.append(
            db,
            1,
            [],
            [SeriesAdded(value, "telemetry", "k", "a"), SeriesAdded(1, "telemetry", "k", "b")],
        )
        assert db.execute("SELECT channel FROM series").fetchall() == [("b",)]
        db.execute("DELETE FROM series")
    assert "left out of a batch" in caplog.text
