"""The book of commands: what is stored of them, and the keys of their senders."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands import book as module
from gateway.commands.book import CommandBook, lifetime
from gateway.errors import Invalid, NotFound, TooLarge, Unavailable
from tests.rig import START, Rig, running


@pytest.fixture
async def rig(tmp_path):
    """A running core."""
    async with running(tmp_path / "a.db") as made:
        yield made


def fresh(rig: Rig) -> CommandBook:
    """Return a book over the same store that has read nothing yet."""
    return CommandBook(
        intake=rig.intake, store=rig.store.commands, catalog=rig.catalog, clock=rig.clock, keep=1000
    )


def opened(book: CommandBook, value: str = "1", **options: Any):
    """Open a command that is kept for a second."""
    plain = {"sender": "user:1", "lifetime": 1000, "idempotency_key": None, "answer_to": None}
    return book.open("kitchen", "led", value, **(plain | options))


async def test_a_command_and_its_frame(rig):
    """Both are stored; `done` runs then, and the book of the next start has it."""
    book, stored = fresh(rig), []
    command = opened(book, idempotency_key="a")
    book.store(command, lambda: stored.append(command))
    with pytest.raises(NotFound):
        await book.get(command.id)
    await rig.stored()
    assert stored == [command]
    assert [(f["id"], f["state"]) for f in await rig.frames("command")] == [(command.id, "queued")]
    after = fresh(rig)
    assert [each.id for each in await after.restore()] == [command.id]
    assert list(after.live) == [command.id]
    assert ((await after.known("user:1", "a")) or command).id == command.id


async def test_a_key_is_its_sender_s(rig):
    """Another sender's key of the same text is another one; the first asking is waited for."""
    book = fresh(rig)
    command = opened(book, idempotency_key="a")
    book.store(command, lambda: None)
    known = await book.known("user:1", "a")
    assert known is not None
    assert known.id == command.id
    assert await book.known("user:2", "a") is None


async def test_the_oldest_key_is_forgotten(rig, monkeypatch):
    """There is a bound on keys."""
    monkeypatch.setattr(module, "MAX_KEYS", 1)
    book = fresh(rig)
    for key in ("a", "b"):
        book.store(opened(book, idempotency_key=key), lambda: None)
    assert await book.known("user:1", "a") is None
    assert await book.known("user:1", "b") is not None


async def test_changes(rig):
    """A change has a frame, a silent one has none; what is delivered fails no more."""
    book = fresh(rig)
    told, silent, done = (opened(book, str(number)) for number in range(3))
    for command in (told, silent, done):
        book.store(command, lambda: None)
    book.change(told, "failed")
    book.fail_silently(silent, "gone", lambda: None)
    book.change(done, "delivered")
    book.fail_silently(done, "gone", lambda: None)
    await rig.stored()
    states = [(await book.get(command.id)).state for command in (told, silent, done)]
    assert states == ["failed", "failed", "delivered"]
    frames = [(f["value"], f["state"]) for f in await rig.frames("command")]
    assert frames[3:] == [(0, "failed"), (2, "delivered")]


async def test_what_cannot_be_kept(rig):
    """A name, a size, and a store that refuses."""
    book = fresh(rig)
    book.admit("led", "1")
    with pytest.raises(Invalid):
        book.admit("led/#", "1")
    with pytest.raises(TooLarge):
        book.admit("led", "1" * (module.MAX_VALUE + 1))
    rig.intake.refusal = "disk full"
    with pytest.raises(Unavailable, match="disk full"):
        book.admit("led", "1")


async def test_pruning(rig):
    """What is over and older than is kept goes."""
    book = fresh(rig)
    command = opened(book)
    book.store(command, lambda: None)
    book.change(command, "failed")
    await rig.stored()
    await book.prune()
    assert (await book.get(command.id)).state == "failed"
    rig.clock.forward(3)
    await book.prune()
    with pytest.raises(NotFound):
        await book.get(command.id)
    assert command.created == START


def test_lifetimes():
    """A day by default, at least a millisecond, at most thirty days."""
    assert [lifetime(None), lifetime(1.5), lifetime(1e-9)] == [86_400_000, 1500, 1]
    for wrong in (0, -1, module.MAX_TTL + 1, float("nan")):
        with pytest.raises(Invalid, match="ttl"):
            lifetime(wrong)
