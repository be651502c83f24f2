"""Passwords are hashed by argon2id, off the event loop, a bounded number at a time."""

from __future__ import annotations

import asyncio
import threading

import argon2
import pytest

from gateway.access.passwords import AT_ONCE, HELD, OF_ADDRESS, WAITING, Passwords, default_hasher
from gateway.errors import Invalid, TooMany

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def passwords():
    """Passwords with a hash that costs nothing."""
    found = Passwords(QUICK)
    yield found
    found.close()


async def test_right_and_wrong(passwords):
    """A hash is verified by its password alone."""
    kept = await passwords.hash("correct horse")
    assert kept.startswith("$argon2id$")
    assert await passwords.verify(kept, "correct horse")
    assert not await passwords.verify(kept, "correct horsf")
    assert not await passwords.verify("not a hash", "correct horse")


async def test_nobody_has_no_password(passwords):
    """Not even the one that nobody is verified against."""
    assert not await passwords.verify(None, "nobody's password")


@pytest.mark.parametrize("text", ["", "1234567", "x" * 1025])
async def test_unfit_passwords_name_the_field(passwords, text):
    """Too short or too long."""
    with pytest.raises(Invalid) as caught:
        await passwords.hash(text)
    assert "password" in caught.value.fields


async def test_what_is_too_much_is_refused(passwords, monkeypatch):
    """A flood waits in bounded memory, and two at once at most are worked on."""
    release, busy, most = threading.Event(), [0], [0]

    def slow(kept, text):
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        release.wait(10)
        busy[0] -= 1
        return False

    monkeypatch.setattr(passwords, "_matches", slow)
    waiting = [
        asyncio.create_task(passwords.verify(None, "x", f"10.0.0.{number % 16}"))
        for number in range(WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooMany) as caught:
        await passwords.verify(None, "x", "10.0.1.1")
    assert caught.value.delay == HELD
    release.set()
    assert await asyncio.gather(*waiting) == [False] * WAITING
    assert most[0] <= AT_ONCE


async def test_one_address_leaves_places_to_others(passwords, monkeypatch):
    """Whoever floods from one waits alone; an IPv6 host has a whole /64."""
    release = threading.Event()
    monkeypatch.setattr(passwords, "_matches", lambda kept, text: release.wait(10))
    flood = [
        asyncio.create_task(passwords.verify(None, "x", f"2001:db8::{number:x}"))
        for number in range(OF_ADDRESS)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await passwords.verify(None, "x", "2001:db8::ffff")
    other = asyncio.create_task(passwords.verify("kept", "x", "2001:db8:0:1::1"))
    await asyncio.sleep(0)
    release.set()
    assert await other
    await asyncio.gather(*flood)
    assert await passwords.verify("kept", "x", "2001:db8::1")


def test_the_hash_is_argon2id_as_owasp_says():
    """The parameters are in the hash."""
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in default_hasher().hash("whatever")
