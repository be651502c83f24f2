"""Replies: waiting for one, and passing one on to the device that sent the command."""

from __future__ import annotations

import asyncio

import pytest

from gateway.commands.book import CommandBook
from gateway.commands.replies import Replies
from gateway.errors import NoReply, NotFound
from gateway.store.commands import AnswerTo
from tests.rig import FakeLink, running, until


@pytest.fixture
async def rig(tmp_path):
    """A running core."""
    async with running(tmp_path / "a.db") as made:
        yield made


@pytest.fixture
def book(rig):
    """A book with nothing in it."""
    return CommandBook(
        intake=rig.intake, store=rig.store.commands, catalog=rig.catalog, clock=rig.clock
    )


def opened(book: CommandBook, answer_to: AnswerTo | None = None):
    """Store a command."""
    command = book.open(
        "kitchen",
        "led",
        "1",
        sender="user:1",
        lifetime=1000,
        idempotency_key=None,
        answer_to=answer_to,
    )
    book.store(command, lambda: None)
    return command


async def test_waiting(rig, book):
    """Who waits goes on when the command is settled, with the stored reply."""
    replies, command = Replies(book, lambda _: ()), opened(book)
    waiting = asyncio.create_task(replies.wait(command.id, 60))
    await until(lambda: len(replies))
    command.reply = '"on"'
    book.change(command, "replied", lambda: replies.settle(command.id))
    assert await waiting == '"on"'
    assert len(replies) == 0


async def test_no_reply(rig, book):
    """The time is over, or no reply can come any more; or there is no such command."""
    replies, command = Replies(book, lambda _: ()), opened(book)
    await rig.stored()
    with pytest.raises(NoReply, match="which is queued"):
        await replies.wait(command.id, 0)
    book.live.clear()
    with pytest.raises(NoReply):
        await replies.wait(command.id, 3600)
    with pytest.raises(NotFound):
        await replies.wait("nothing", 3600)


async def test_passing_on(book):
    """Over the first link of the device that sent it, and only what is replied."""
    links = {"board": [FakeLink("board"), FakeLink("board")]}
    replies = Replies(book, links.__getitem__)
    command = opened(book, AnswerTo("board", "there", b"1"))
    replies.pass_on(command)
    assert links["board"][0].answered == []
    command.state = "replied"
    replies.pass_on(command)
    assert [link.answered for link in links["board"]] == [[command], []]
