"""Each fact of the broker's state does to the database what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import devices
from gateway.broker.embedded.codec.packets import Properties as WillProperties
from gateway.broker.embedded.codec.packets import Will
from gateway.broker.embedded.core import facts
from gateway.broker.embedded.core.durable import Delivery, Held, Retained, Step
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.broker.port import Properties
from gateway.store.audit import By
from gateway.store.sqlite import batch, database
from gateway.store.sqlite.broker_state import load
from gateway.store.sqlite.database import open_sync, transaction
from gateway.store.sqlite.registry import Tables

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from gateway.store.facts import Fact

PROPERTIES = Properties(1, 60, "text/plain", "r", b"\0\xff", (("a", "1"), ("a", "2")))
HELD = Held("$share/g/a/#", "a/#", "g", 2, False, True, 1, 268_435_455)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database."""
    db = open_sync(tmp_path / "gateway.db")
    yield db
    db.close()


def run(db: sqlite3.Connection, *written: Fact) -> None:
    """Write facts in order."""
    batch.append(db, 1, [], written)


def delivery(position: int, step: Step = Step.WAITING) -> Delivery:
    """Return a delivery with everything that it can have."""
    outgoing = Outgoing("tö".encode(), b"\0payload", PROPERTIES, 1234.5)
    return Delivery(outgoing, 2, True, (1, 2), "$share/g/t", position, True, step)


def test_an_empty_database_has_no_state(db: sqlite3.Connection) -> None:
    """A first start begins with nothing."""
    state = load(db)
    assert (state.sessions, state.retained) == ([], [])


def test_a_session_comes_back_as_it_was(db: sqlite3.Connection) -> None:
    """Everything of a session is read as it was written."""
    run(
        db,
        facts.SessionOpened(7, "device:a", "client", 100, None),
        facts.Subscribed(7, HELD),
        facts.Queued.of(7, delivery(2, Step.SENT)),
        facts.Queued.of(7, delivery(1)),
        facts.Queued.of(7, delivery(3)),
        facts.Settled(7, 3),
        facts.Received(7, 9),
        facts.Received(7, 9),
        facts.Received(7, 10),
        facts.Completed(7, 10),
        facts.SessionLeft(7, 200, 55.5),
    )
    (session,) = load(db).sessions
    assert (session.number, session.key, session.client_id) == (7, "device:a", "client")
    assert (session.expiry, session.left, session.received) == (200, 55.5, [9])
    (held,) = session.subscriptions
    assert {name: getattr(held, name) for name in held.__struct_fields__} == {
        name: getattr(HELD, name) for name in HELD.__struct_fields__
    }
    assert [(one.position, one.step) for one in session.deliveries] == [
        (1, Step.WAITING),
        (2, Step.SENT),
    ]
    first = session.deliveries[0]
    assert (first.qos, first.retain, first.identifiers, first.share, first.stored) == (
        2,
        True,
        (1, 2),
        "$share/g/t",
        True,
    )
    outgoing = first.outgoing
    assert (outgoing.topic, outgoing.payload, outgoing.expires) == (
        "tö".encode(),
        b"\0payload",
        1234.5,
    )
    assert outgoing.properties == PROPERTIES


MESSAGES = st.sampled_from(
    [
        Outgoing(b"a", b"1"),
        Outgoing(b"a", b"1", None, 5.0),
        Outgoing(b"a", b"1", Properties(1)),
        Outgoing(b"a", b"\0" + b"1"),
        Outgoing(b"b", b"1"),
    ]
)
STEPS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4), st.none() | MESSAGES), max_size=30)


@given(STEPS)
def test_a_message_is_stored_once_for_as_long_as_it_waits(
    steps: list[tuple[int, int, Outgoing | None]],
) -> None:
    """For however many sessions: what waits is there, and no more."""
    waiting: dict[tuple[int, int], Outgoing] = {}
    db = open_sync(Path(":memory:"))
    for number in (1, 2, 3):
        run(db, facts.SessionOpened(number, "k", f"c{number}", 10, None))
    for number, position, outgoing in steps:
        if outgoing is None:
            waiting.pop((number, position), None)
            run(db, facts.Settled(number, position))
        elif (number, position) not in waiting:
            waiting[number, position] = outgoing
            run(db, facts.Queued.of(number, Delivery(outgoing, 1, position=position)))
    loaded = {
        (session.number, one.position): one.outgoing
        for session in load(db).sessions
        for one in session.deliveries
    }
    stored = db.execute("SELECT count(*) FROM broker_messages").fetchone()[0]
    db.close()

    def parts(outgoing: Outgoing) -> tuple[object, ...]:
        return outgoing.topic, outgoing.payload, outgoing.properties, outgoing.expires

    assert {key: parts(one) for key, one in loaded.items()} == {
        key: parts(one) for key, one in waiting.items()
    }
    assert len({id(one) for one in loaded.values()}) == stored == len(set(waiting.values()))


def test_what_waits_in_an_older_database_still_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each delivery that had its message with it names it from now on."""
    every = database.migrations()
    before = [one for one in every if one[0] < 10]
    monkeypatch.setattr(database, "migrations", lambda: before)
    db = open_sync(tmp_path / "old.db")
    db.execute("INSERT INTO broker_sessions VALUES (7, 'k', 'c', 10, 1.5, NULL)")
    db.executemany(
        "INSERT INTO broker_deliveries"
        " VALUES (7, ?, 0, 1, 0, '[]', 't', ?, NULL, 9.5, '$share/g/t')",
        [(1, b"one"), (2, b"two")],
    )
    db.close()
    monkeypatch.setattr(database, "migrations", lambda: every)
    db = open_sync(tmp_path / "old.db")
    (session,) = load(db).sessions
    assert [
        (one.position, one.outgoing.payload, one.outgoing.expires, one.share)
        for one in session.deliveries
    ] == [(1, b"one", 9.5, "$share/g/t"), (2, b"two", 9.5, "$share/g/t")]
    run(db, facts.SessionEnded(7))
    assert db.execute("SELECT count(*) FROM broker_messages").fetchone() == (0,)
    db.close()


def test_what_waits_for_a_removed_device_goes_with_its_messages(db: sqlite3.Connection) -> None:
    """The device's row takes its sessions along; a message stays where another waits for it."""
    both, mine = Outgoing(b"t", b"both"), Outgoing(b"t", b"mine")
    with transaction(db):
        devices.create(Tables(db), By("test", "", 1), id="a", name="a")
    run(
        db,
        facts.SessionOpened(1, "device:a", "c", 10, None),
        facts.SessionOpened(2, "token:1", "c", 10, None),
        facts.Queued.of(1, Delivery(both, 1, position=1)),
        facts.Queued.of(1, Delivery(mine, 1, position=2)),
        facts.Queued.of(2, Delivery(both, 1, position=1)),
    )
    with transaction(db):
        devices.remove(Tables(db), By("test", "", 2), "a")
    assert db.execute("SELECT payload FROM broker_messages").fetchall() == [(b"both",)]


def test_opening_says_that_all_may_be_sent(db: sqlite3.Connection) -> None:
    """With a connection what waits may go out; what was released stays so."""
    run(db, facts.Queued.of(1, delivery(1)), facts.Queued.of(1, delivery(2)), facts.Released(1, 2))
    run(db, facts.SessionOpened(1, "k", "c", 10, None))
    (session,) = load(db).sessions
    assert [one.step for one in session.deliveries] == [Step.SENT, Step.RELEASED]
    assert session.left is None


def test_ending_takes_one_session_out(db: sqlite3.Connection) -> None:
    """Rows of other sessions stay."""
    for number in (1, 2):
        run(
            db,
            facts.SessionOpened(number, "k", f"c{number}", 10, None),
            facts.Subscribed(number, HELD),
            facts.Queued.of(number, delivery(1)),
            facts.Received(number, 1),
        )
    run(db, facts.SessionEnded(1))
    (session,) = load(db).sessions
    assert (
        session.number,
        len(session.subscriptions),
        len(session.deliveries),
        session.received,
    ) == (2, 1, 1, [1])


def test_a_subscription_replaces_and_goes(db: sqlite3.Connection) -> None:
    """The same text is one subscription."""
    run(
        db, facts.SessionOpened(1, "k", "c", 10, None), facts.Subscribed(1, Held("a", "a", None, 0))
    )
    run(
        db,
        facts.Subscribed(1, Held("a", "a", None, 1)),
        facts.Subscribed(1, Held("b", "b", None, 1)),
    )
    run(db, facts.Unsubscribed(1, "b"))
    (session,) = load(db).sessions
    assert [(held.text, held.qos) for held in session.subscriptions] == [("a", 1)]


def test_retained_messages_replace_and_go(db: sqlite3.Connection) -> None:
    """One message a topic."""
    kept = Retained("a", b"2", 1, PROPERTIES, 99.5)
    run(
        db,
        facts.Kept(Retained("a", b"1", 0)),
        facts.Kept(kept),
        facts.Kept(Retained("b", b"1", 0)),
    )
    run(db, facts.Unretained("b"))
    assert load(db).retained == [kept]


def test_a_will_stays_until_it_is_withdrawn(db: sqlite3.Connection) -> None:
    """All of it is read as it was written; the next CONNECT has its own or none."""
    will = Will(
        "tö", b"\xff\0", 2, True, WillProperties(will_delay_interval=9, user_property=(("a", "b"),))
    )
    run(
        db,
        facts.SessionOpened(1, "k", "c", 10, will),
        facts.SessionLeft(1, 10, 5.5),
        facts.SessionOpened(2, "k", "d", 10, will),
    )
    assert [one.will for one in load(db).sessions] == [will, will]
    run(db, facts.SessionOpened(1, "k", "c", 10, None), facts.WillDone(2))
    assert [one.will for one in load(db).sessions] == [None, None]
