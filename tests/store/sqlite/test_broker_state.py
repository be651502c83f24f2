"""Each statement of the broker's state does to the database what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded.codec.packets import Properties as WillProperties
from gateway.broker.embedded.codec.packets import Will
from gateway.broker.embedded.core.durable import Delivery, Held, Retained, SessionStore, Step
from gateway.broker.embedded.core.outgoing import Outgoing
from gateway.broker.port import Properties, Statement
from gateway.store.sqlite.broker_state import BrokerState, load
from gateway.store.sqlite.database import open_sync

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

PROPERTIES = Properties(1, 60, "text/plain", "r", b"\0\xff", (("a", "1"), ("a", "2")))
HELD = Held("$share/g/a/#", "a/#", "g", 2, False, True, 1, 268_435_455)
store: SessionStore = BrokerState()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database."""
    db = open_sync(tmp_path / "gateway.db")
    yield db
    db.close()


def run(db: sqlite3.Connection, *statements: Statement) -> None:
    """Run statements in order."""
    for statement in statements:
        db.execute(*statement)


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
        *store.opened(7, "device:a", "client", 100, None),
        store.subscribed(7, HELD),
        store.queued(7, delivery(2, Step.SENT)),
        store.queued(7, delivery(1)),
        store.queued(7, delivery(3)),
        store.settled(7, 3),
        store.received(7, 9),
        store.received(7, 9),
        store.received(7, 10),
        store.completed(7, 10),
        store.left(7, 200, 55.5),
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


def test_opening_says_that_all_may_be_sent(db: sqlite3.Connection) -> None:
    """With a connection what waits may go out; what was released stays so."""
    run(db, store.queued(1, delivery(1)), store.queued(1, delivery(2)), store.released(1, 2))
    run(db, *store.opened(1, "k", "c", 10, None))
    (session,) = load(db).sessions
    assert [one.step for one in session.deliveries] == [Step.SENT, Step.RELEASED]
    assert session.left is None


def test_ending_takes_one_session_out(db: sqlite3.Connection) -> None:
    """Rows of other sessions stay."""
    for number in (1, 2):
        run(
            db,
            *store.opened(number, "k", f"c{number}", 10, None),
            store.subscribed(number, HELD),
            store.queued(number, delivery(1)),
            store.received(number, 1),
        )
    run(db, *store.ended(1))
    (session,) = load(db).sessions
    assert (
        session.number,
        len(session.subscriptions),
        len(session.deliveries),
        session.received,
    ) == (2, 1, 1, [1])


def test_a_subscription_replaces_and_goes(db: sqlite3.Connection) -> None:
    """The same text is one subscription."""
    run(db, *store.opened(1, "k", "c", 10, None), store.subscribed(1, Held("a", "a", None, 0)))
    run(
        db,
        store.subscribed(1, Held("a", "a", None, 1)),
        store.subscribed(1, Held("b", "b", None, 1)),
    )
    run(db, store.unsubscribed(1, "b"))
    (session,) = load(db).sessions
    assert [(held.text, held.qos) for held in session.subscriptions] == [("a", 1)]


def test_retained_messages_replace_and_go(db: sqlite3.Connection) -> None:
    """One message a topic."""
    kept = Retained("a", b"2", 1, PROPERTIES, 99.5)
    run(
        db,
        store.retained(Retained("a", b"1", 0)),
        store.retained(kept),
        store.retained(Retained("b", b"1", 0)),
    )
    run(db, store.unretained("b"))
    assert load(db).retained == [kept]


def test_a_will_stays_until_it_is_withdrawn(db: sqlite3.Connection) -> None:
    """All of it is read as it was written; the next CONNECT has its own or none."""
    will = Will(
        "tö", b"\xff\0", 2, True, WillProperties(will_delay_interval=9, user_property=(("a", "b"),))
    )
    run(
        db,
        *store.opened(1, "k", "c", 10, will),
        store.left(1, 10, 5.5),
        *store.opened(2, "k", "d", 10, will),
    )
    assert [one.will for one in load(db).sessions] == [will, will]
    run(db, *store.opened(1, "k", "c", 10, None), store.will_done(2))
    assert [one.will for one in load(db).sessions] == [None, None]
