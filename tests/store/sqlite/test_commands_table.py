"""The commands table: what goes in comes out, in order, and old rows leave."""

from __future__ import annotations

import pytest

from gateway.store.commands import AnswerTo, Command
from gateway.store.sqlite import batch
from gateway.store.sqlite import commands as store
from gateway.store.sqlite.database import open_sync


@pytest.fixture
def db(tmp_path):
    """An open database."""
    opened = open_sync(tmp_path / "a.db")
    yield opened
    opened.close()


def made(number: int, **values) -> Command:
    """Return a queued command, made at `number`, that lasts for 100 ms."""
    plain = {
        "id": f"c{number}",
        "device": "kitchen",
        "name": "led",
        "value": '{"a": [1, "ü"]}',
        "state": "queued",
        "created": number,
        "expires": number + 100,
        "changed": number,
        "sender": "user:1",
    }
    return Command(**(plain | values))


def keep(db, *commands: Command) -> None:
    """Insert commands."""
    for command in commands:
        batch.append(db, 1, [], [command.queued(), command.change()])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"state": "replied", "reply": "null", "idempotency_key": "k"},
        {"state": "failed", "error": "why"},
        {"answer_to": AnswerTo("hall")},
        {"answer_to": AnswerTo("hall", "a/b", b"\x00\xff")},
    ],
)
def test_a_row_is_the_command(db, values):
    """Every field comes back as it was."""
    command = made(1, **values)
    keep(db, command)
    found = store.find(db, "c1")
    assert {n: getattr(found, n) for n in Command.__struct_fields__} == {
        n: getattr(command, n) for n in Command.__struct_fields__
    }
    assert store.find(db, "c2") is None


def test_a_change_is_kept(db):
    """State, time, reply and error are what changes."""
    command = made(1)
    keep(db, command)
    command.state, command.changed, command.reply = "replied", 5, "1"
    batch.append(db, 1, [], [command.change()])
    found = store.find(db, "c1")
    assert (found.state, found.changed, found.reply) == ("replied", 5, "1")


def test_unfinished_ones_come_in_order(db):
    """Queued and sent ones whatever their time, delivered ones that may yet be answered."""
    states = ["sent", "queued", "replied", "delivered", "expired", "failed", "delivered"]
    keep(db, *(made(9 - n, state=state) for n, state in enumerate(states)))
    found = store.unfinished(db, 104)
    assert [(c.id, c.state) for c in found] == [
        ("c9", "sent"),
        ("c8", "queued"),
        ("c6", "delivered"),
    ]


def test_keys_are_the_newest_oldest_first(db):
    """Only commands with a key, and of these the last."""
    keep(db, made(0), *(made(n, idempotency_key=f"k{n}") for n in range(1, 5)))
    assert store.keys(db, 2) == [("user:1", "k3", "c3"), ("user:1", "k4", "c4")]


def test_prune_takes_the_oldest_that_are_over(db):
    """What still waits stays, and so does what is past no time yet."""
    keep(
        db,
        made(1),
        made(2, state="sent"),
        made(3, state="replied"),
        made(4, state="delivered"),
        made(5, state="delivered", expires=10_000),
        made(6, state="expired"),
        made(900, state="failed"),
    )
    assert store.prune(db, 500, 2) == 2
    assert store.prune(db, 500, 2) == 1
    assert [row[0] for row in db.execute("SELECT id FROM commands ORDER BY number")] == [
        "c1",
        "c2",
        "c5",
        "c900",
    ]


def test_json_is_the_contract_s(db):
    """The value and the reply go out as they came in."""
    command = made(1, reply="[1,  2]")
    assert command.json() == (
        '{"id":"c1","device":"kitchen","name":"led","state":"queued","value":{"a": [1, '
        '"ü"]},"reply":[1,  2]}'.encode()
    )
