"""Random texts: long enough, recognisable, and fit for a command line."""

from __future__ import annotations

import secrets

from hypothesis import given
from hypothesis import strategies as st

from gateway.access import keys


def test_no_key_begins_with_a_dash(monkeypatch):
    """`mosquitto_pub -P -abc` would take it for an option."""
    drawn = iter(["-first", "-second", "third"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: next(drawn))
    assert keys.new_key() == "third"


def test_texts_carry_at_least_128_bits():
    """Six bits a sign."""
    for text in (keys.new_key(), keys.new_text(), keys.new_token().removeprefix(keys.TOKEN_PREFIX)):
        assert len(text) * 6 >= 128
    assert keys.new_key() != keys.new_key()


@given(st.text(), st.text())
def test_a_secret_matches_its_own_digest_only(one, other):
    """Any text, surrogates too, can be offered."""
    assert keys.matches(one, keys.digest(one))
    assert keys.matches(one, keys.digest(other)) == (one == other)


def test_surrogates_are_no_crash():
    """A JSON string may hold half a character."""
    assert not keys.matches("\ud800", keys.digest("x"))


def test_fingerprints_tell_keys_apart_and_nothing_more():
    """Eight bytes of the hash."""
    one, other = keys.digest("a"), keys.digest("b")
    assert keys.fingerprint(one) != keys.fingerprint(other)
    assert len(keys.fingerprint(one)) == 16
