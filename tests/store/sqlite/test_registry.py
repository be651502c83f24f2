"""The registry's tables: records in and out, and the changes that triggers note."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.registry import Change, Device, Link, Tidying, Token, User, WebSession
from gateway.store.sqlite import registry
from gateway.store.sqlite.database import open_sync, transaction
from gateway.store.sqlite.registry import Tables


@pytest.fixture
def db(tmp_path):
    """An empty database."""
    connection = open_sync(tmp_path / "gateway.db", "normal")
    yield connection
    connection.close()


def a_user(db: sqlite3.Connection, email: str = "ann@example.com") -> User:
    """Add a user."""
    return Tables(db).users.insert(User(email=email, password="$argon2id$", created=1))


def a_device(db: sqlite3.Connection, id_: str = "kitchen", owner: int | None = None) -> Device:
    """Add a device."""
    return Tables(db).devices.insert(Device(id=id_, key_hash=b"k" * 32, owner=owner, created=1))


def events(db: sqlite3.Connection, rev: int) -> list[Change]:
    """Return what has changed after a rev."""
    update = registry.changes(db, rev)
    assert update is not None
    return update.events


def test_every_kind_of_record_reads_back_as_it_was_written(db):
    """What goes into a table comes out of it, with its number."""
    user = a_user(db)
    device = Tables(db).devices.insert(
        Device(
            id="a",
            key_hash=b"\x00\xff",
            owner=user.id,
            grants=("x/#", "y"),
            disabled=True,
            created=5,
        ),
    )
    token = Tables(db).tokens.insert(
        Token(
            hash=b"t",
            user=user.id,
            scope="write",
            devices=frozenset({"b", "a"}),
            expires=9,
            created=2,
        ),
    )
    session = Tables(db).sessions.insert(WebSession(hash=b"s", user=user.id, created=1, expires=2))
    link = Tables(db).links.insert(
        Link(hash=b"l", kind="invitation", email="x@y", created=1, expires=2)
    )
    assert Tables(db).users.get(user.id) == user
    assert Tables(db).devices.get("a") == device
    assert Tables(db).tokens.get(token.id) == token
    assert Tables(db).sessions.get(session.id) == session
    assert Tables(db).links.get(b"l") == link
    assert user.id == token.id == session.id == 1


@given(
    name=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    grants=st.lists(st.text(max_size=5)),
)
def test_any_text_survives_the_table(name, grants):
    """Texts are parameters and never SQL."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE devices ({', '.join(Device.__struct_fields__)})")
    device = Device(
        id="a",
        key_hash=b"",
        name=name,
        grants=tuple(g.replace("\ud800", "") for g in grants),
        created=1,
    )
    try:
        Tables(connection).devices.insert(device)
        assert Tables(connection).devices.get("a") == device
    finally:
        connection.close()


def test_reprs_and_public_fields_hold_no_secret(db):
    """Neither a hash nor a password leaves through a log line or an answer."""
    user, device = a_user(db), a_device(db)
    token = Tables(db).tokens.insert(
        Token(hash=b"verysecret", user=user.id, scope="read", created=1)
    )
    shown = repr([user, device, token]) + str([user.public(), device.public(), token.public()])
    for secret in ("argon2", "kkkk", "verysecret", "hash", "password"):
        assert secret not in shown
    assert token.public()["scope"] == "read"


def test_each_write_is_noted_as_a_change(db):
    """Insert, update and delete of every kind are seen, in order."""
    user = a_user(db)
    a_device(db)
    Tables(db).devices.update("kitchen", name="Kitchen")
    token = Tables(db).tokens.insert(Token(hash=b"t", user=user.id, scope="read", created=1))
    session = Tables(db).sessions.insert(WebSession(hash=b"s", user=user.id, created=1, expires=2))
    Tables(db).sessions.delete(session.id)
    Tables(db).devices.delete("kitchen")
    update = registry.changes(db, 0)
    assert update is not None
    assert update.events == [
        ("user", "1", False), ("device", "kitchen", False), ("device", "kitchen", False),
        ("token", "1", False),
        ("session", "1", False), ("session", "1", True), ("device", "kitchen", True),
    ]  # fmt: skip
    assert update.records == {
        ("user", "1"): user, ("device", "kitchen"): None, ("token", "1"): token,
        ("session", "1"): None,
    }  # fmt: skip


def test_when_a_token_was_used_is_no_change(db):
    """What changes all the time wakes nobody up."""
    user = a_user(db)
    token = Tables(db).tokens.insert(Token(hash=b"t", user=user.id, scope="read", created=1))
    registry.tidy(db, Tidying({token.id: 77}, 0, 0, 0))
    found = Tables(db).tokens.get(token.id)
    assert found is not None
    assert found.last_used == 77
    assert events(db, 2) == []


def test_a_removed_user_takes_tokens_and_sessions_along(db):
    """A cascade is noted like any other change."""
    user = a_user(db)
    Tables(db).tokens.insert(Token(hash=b"t", user=user.id, scope="read", created=1))
    Tables(db).sessions.insert(WebSession(hash=b"s", user=user.id, created=1, expires=2))
    Tables(db).links.insert(Link(hash=b"l", kind="sign-in", user=user.id, created=1, expires=2))
    Tables(db).users.delete(user.id)
    assert {("token", "1", True), ("session", "1", True), ("user", "1", True)} == set(events(db, 3))
    assert Tables(db).links.get(b"l") is None


def test_a_user_who_owns_a_device_cannot_be_deleted(db):
    """The last line of defence is the schema."""
    user = a_user(db)
    a_device(db, owner=user.id)
    with pytest.raises(sqlite3.IntegrityError):
        Tables(db).users.delete(user.id)


def test_numbers_of_users_and_tokens_are_never_used_again(db):
    """`user:1` in the audit stays who it was."""
    Tables(db).users.delete(a_user(db).id)
    assert a_user(db).id == 2


def test_emails_are_equal_whatever_their_case(db):
    """Ann@ and ann@ are one account."""
    a_user(db, "Ann@Example.com")
    with pytest.raises(sqlite3.IntegrityError):
        a_user(db, "ann@example.COM")
    assert next(Tables(db).users.where(email="ANN@example.com")).id == 1


def test_changes_that_were_trimmed_ask_for_everything(db):
    """A reader that slept too long is told so, and no other."""
    for number in range(5):
        a_device(db, f"d{number}")
    registry.tidy(db, Tidying({}, 0, 0, 3))
    assert registry.changes(db, 2) is None
    assert [event.key for event in events(db, 3)] == ["d3", "d4"]
    registry.tidy(db, Tidying({}, 0, 0, 5))
    assert registry.changes(db, 4) is None
    assert events(db, 5) == []
    rev, records = registry.everything(db)
    assert rev == 5
    assert len(records) == 5


def test_what_was_undone_is_no_change(db):
    """A rolled back transaction leaves no trace and no hole."""
    with pytest.raises(sqlite3.IntegrityError), transaction(db):
        a_device(db, a_device(db, "never").id)
    a_device(db, "real")
    assert events(db, 0) == [("device", "real", False)]


def test_frames_of_a_removed_device_are_hidden_from_the_next_of_its_id(db):
    """A new device of the same id does not inherit another's history."""
    a_device(db)
    for device in ("kitchen", "b"):
        db.execute(
            "INSERT INTO series (type, device, channel) VALUES ('telemetry', ?, 't')", (device,)
        )
    Tables(db).devices.delete("kitchen")
    assert db.execute("SELECT device, hidden FROM series ORDER BY id").fetchall() == [
        ("kitchen", 1),
        ("b", 0),
    ]


def test_stale_sessions_links_and_claims_go(db):
    """What has expired is removed, what has not stays."""
    user = a_user(db)
    for number, expires in enumerate((10, 11)):
        Tables(db).sessions.insert(
            WebSession(hash=b"s%d" % number, user=user.id, created=1, expires=expires)
        )
        Tables(db).links.insert(
            Link(hash=b"l%d" % number, kind="invitation", created=1, expires=expires)
        )
    Tables(db).devices.insert(Device(id="old", key_hash=b"", state="pending", created=4))
    Tables(db).devices.insert(Device(id="new", key_hash=b"", state="pending", created=5))
    a_device(db, "active")
    registry.tidy(db, Tidying({}, 10, 5, 0))
    assert [session.expires for session in Tables(db).sessions.all()] == [11]
    assert [link.expires for link in Tables(db).links.all()] == [11]
    assert [device.id for device in Tables(db).devices.all()] == ["active", "new"]
