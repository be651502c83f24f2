"""What can be done to users, their sessions, their links and their tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import accounts, devices, fields, links, sessions, tokens
from gateway.access.keys import TOKEN_PREFIX
from gateway.access.sessions import LIFETIME, MOST
from gateway.errors import Conflict, Invalid, NotFound, Unauthenticated


@pytest.fixture
async def ada(access):
    """The admin."""
    return await access.do(accounts.create, email="ada@example.com", password="hash", role="admin")


@pytest.fixture
async def ann(access, ada):
    """A user."""
    return await access.do(accounts.create, email="ann@example.com", password="hash", name="Ann")


async def test_an_email_that_exists_is_a_conflict(access, ann):
    """Whatever its case."""
    with pytest.raises(Conflict) as caught:
        await access.do(accounts.create, email=" ANN@Example.com ", password=None)
    assert "email" in caught.value.fields


@pytest.mark.parametrize(
    "email", ["", "ann", "@", "ann@", "@x", "a b@c", "a@b@c", "a@b\n", "x" * 65 + "@y"]
)
async def test_what_is_no_email_is_named(access, email):
    """As far as can be told."""
    with pytest.raises(Invalid) as caught:
        await access.do(
            accounts.create, email=email.rstrip("\n") + email[-1:], password=None, name="\x07"
        )
    assert "name" in caught.value.fields


@given(st.text())
def test_any_text_is_an_email_or_not(text):
    """Checking never fails, and what passes is one line with one @."""
    if fields.email(text) is None:
        assert text.count("@") == 1
        assert len(text.splitlines()) == 1


async def test_users_change(access, ann):
    """Name and role."""
    changed = await access.do(accounts.change, ann.id, name="Anna", role="admin")
    assert (changed.name, changed.role) == ("Anna", "admin")
    with pytest.raises(Invalid):
        await access.do(accounts.change, ann.id, role="king")
    with pytest.raises(NotFound):
        await access.do(accounts.change, 99, name="x")


async def test_the_last_admin_stays(access, ada, ann):
    """Nobody locks everybody out."""
    for change in ({"role": "user"}, {"disabled": True}):
        with pytest.raises(Conflict):
            await access.do(accounts.change, ada.id, **change)
    with pytest.raises(Conflict):
        await access.do(accounts.remove, ada.id)
    await access.do(accounts.change, ann.id, role="admin")
    await access.do(accounts.remove, ada.id)
    assert set(access.registry.users) == {ann.id}


async def test_a_user_with_devices_is_not_removed(access, ann):
    """Their data would be nobody's."""
    await access.do(devices.create, id="kitchen", owner=ann.id)
    with pytest.raises(Conflict, match="1 device"):
        await access.do(accounts.remove, ann.id)
    await access.do(devices.change, "kitchen", owner=None)
    await access.do(accounts.remove, ann.id)
    assert ann.id not in access.registry.users


async def test_what_ends_with_an_account(access, ann):
    """Disabling closes its sessions and stops its tokens; removing takes them away."""
    session = await access.do(sessions.open_session, ann.id)
    token = await access.do(tokens.create, user=ann.id, scope="admin")
    await access.do(accounts.change, ann.id, disabled=True)
    for sign_in, secret in (
        (access.sign_in.cookie, session.secret),
        (access.sign_in.token, token.secret),
    ):
        with pytest.raises(Unauthenticated):
            sign_in(secret)
    with pytest.raises(Unauthenticated):
        await access.do(sessions.open_session, ann.id)
    await access.do(accounts.change, ann.id, disabled=False)
    assert access.sign_in.token(token.secret).owner == ann.id
    await access.do(accounts.remove, ann.id)
    assert access.registry.tokens == {}


async def test_a_new_password_ends_the_other_sessions(access, ann):
    """The browser that changed it stays signed in."""
    here, there = [await access.do(sessions.open_session, ann.id) for _ in range(2)]
    await access.do(accounts.set_password, ann.id, "new hash", keep=here.record.id)
    assert access.sign_in.cookie(here.secret).owner == ann.id
    with pytest.raises(Unauthenticated):
        access.sign_in.cookie(there.secret)
    assert access.registry.users[ann.id].password == "new hash"


async def test_sessions_are_bounded(access, ann):
    """The oldest goes, and each ends after its lifetime."""
    opened = [await access.do(sessions.open_session, ann.id) for _ in range(MOST + 1)]
    assert len(access.registry.sessions) == MOST
    assert opened[0].record.id not in access.registry.sessions
    access.clock.now += LIFETIME
    with pytest.raises(Unauthenticated):
        access.sign_in.cookie(opened[-1].secret)
    await access.registry.tidy()
    await access.registry.refresh()
    assert access.registry.sessions == {}


async def test_the_first_admins_link(access):
    """It makes the admin, once; a later one replaces it; with an account there is none."""
    old = await access.do(links.first_admin)
    link = await access.do(links.first_admin)
    with pytest.raises(Unauthenticated):
        await access.do(accounts.register, old.secret, email="eve@example.com", password="hash")
    user = await access.do(accounts.register, link.secret, email="ada@example.com", password="hash")
    assert user.role == "admin"
    with pytest.raises(Unauthenticated):
        await access.do(accounts.register, link.secret, email="eve@example.com", password="hash")
    with pytest.raises(Conflict):
        await access.do(links.first_admin)


async def test_the_first_admins_link_is_void_once_there_is_an_account(access):
    """Made on the command line meanwhile."""
    link = await access.do(links.first_admin)
    await access.do(accounts.create, email="ada@example.com", password=None, role="admin")
    with pytest.raises(Conflict):
        await access.do(accounts.register, link.secret, email="eve@example.com", password="hash")


async def test_who_signs_up_before_the_admin_does_not_void_the_link(access):
    """With open sign-up anybody may be the first: only an admin makes the first admin's link
    void.
    """
    link = await access.do(links.first_admin)
    await access.do(accounts.create, email="eve@example.com", password="hash")
    assert (await access.do(links.first_admin)).record.role == "admin"  # at the next start
    link = await access.do(links.first_admin)
    user = await access.do(accounts.register, link.secret, email="ada@example.com", password="hash")
    assert user.role == "admin"


async def test_no_letter_is_taken_for_another_one(access, ann):
    """An account whose address only looks alike to Unicode, with the sign of kelvin, hides nobody's
    account.
    """
    kate = await access.do(accounts.create, email="Kate@example.com", password="hash")
    other = await access.do(accounts.create, email="\u212aate@example.com", password="hash")
    assert access.registry.user_of("kATE@example.com") == kate
    assert access.registry.user_of("\u212aATE@example.com") == other
    await access.do(accounts.remove, other.id)
    assert access.registry.user_of("kate@example.com") == kate


async def test_an_invitation_is_for_whom_it_is_for(access, ada):
    """The address is the invitation's, the role too; a failed attempt does not use it up."""
    link = await access.do(links.invite, email="bob@example.com", role="user")
    with pytest.raises(Invalid):
        await access.do(accounts.register, link.secret, email="", name="\x00", password="hash")
    user = await access.do(accounts.register, link.secret, email="eve@example.com", password="hash")
    assert (user.email, user.role) == ("bob@example.com", "user")
    with pytest.raises(Conflict):
        await access.do(links.invite, email="bob@example.com")
    open_one = await access.do(links.invite)
    assert (
        await access.do(accounts.register, open_one.secret, email="cy@x", password="hash")
    ).email == "cy@x"


async def test_a_link_expires(access, ada):
    """And a link of one kind opens nothing of another."""
    link = await access.do(links.sign_in, ada.id)
    assert (
        await access.registry.ask(links.find, link.secret, access.clock.now, "sign-in")
        == link.record
    )
    with pytest.raises(Unauthenticated):
        await access.do(accounts.register, link.secret, email="eve@example.com", password="hash")
    access.clock.now = link.record.expires
    with pytest.raises(Unauthenticated):
        await access.do(sessions.open_by_link, link.secret)


async def test_a_sign_in_link_works_once(access, ada):
    """It opens a session like a password does."""
    link = await access.do(links.sign_in, ada.id)
    assert link.secret not in repr(link)
    session = await access.do(sessions.open_by_link, link.secret)
    assert access.sign_in.cookie(session.secret).admin
    with pytest.raises(Unauthenticated):
        await access.do(sessions.open_by_link, link.secret)
    with pytest.raises(NotFound):
        await access.do(links.sign_in, 99)


async def test_a_token_is_recognised_and_kept_hashed(access, ann):
    """Its prefix lets scanners find a leaked one."""
    for id_ in ("a", "b"):
        await access.do(devices.create, id=id_, owner=ann.id)
    issued = await access.do(
        tokens.create,
        user=ann.id,
        scope="write",
        name="panel",
        devices=["b", "a"],
        expires=access.clock.now + 1,
    )
    assert issued.secret.startswith(TOKEN_PREFIX)
    assert len(issued.secret) >= len(TOKEN_PREFIX) + 22
    assert issued.record.devices == {"a", "b"}
    assert issued.secret not in repr(issued)


@pytest.mark.parametrize(
    ("given_", "wrong"),
    [
        ({"scope": "all"}, {"scope"}), ({"name": "a\nb"}, {"name"}),
        ({"devices": ["a b"]}, {"devices"}),
        ({"expires": 1}, {"expires"}), ({"user": 99}, {"user"}),
        ({"scope": "", "expires": 0}, {"scope", "expires"}),
        ({"devices": [f"d{n}" for n in range(1001)]}, {"devices"}),
    ],
)  # fmt: skip
async def test_every_wrong_field_of_a_token_is_named(access, ann, given_, wrong):
    """All of them at once."""
    with pytest.raises(Invalid) as caught:
        await access.do(tokens.create, **{"user": ann.id, "scope": "read", **given_})
    assert set(caught.value.fields) == wrong


async def test_a_token_is_limited_to_devices_that_its_user_has(access, ada, ann):
    """Another user's device and none get the same answer; an admin has them all."""
    await access.do(devices.create, id="meter")
    said = set()
    for id_ in ("meter", "metre"):
        with pytest.raises(Invalid) as caught:
            await access.do(tokens.create, user=ann.id, scope="read", devices=[id_])
        said.add(caught.value.fields["devices"].replace(id_, "ID"))
    assert len(said) == 1
    assert (
        await access.do(tokens.create, user=ada.id, scope="read", devices=["meter"])
    ).record.devices == {"meter"}


async def test_a_token_that_is_not_there_is_not_revoked(access):
    """It is not found."""
    with pytest.raises(NotFound):
        await access.do(tokens.revoke, 99)


async def test_one_user_has_so_many_tokens(access, monkeypatch):
    """Then one has to be revoked before the next is made."""
    monkeypatch.setattr(tokens, "MOST", 3)
    ann = await access.do(accounts.create, email="ann@example.com", password=None)
    made = [await access.do(tokens.create, user=ann.id, scope="read") for _ in range(3)]
    with pytest.raises(Conflict):
        await access.do(tokens.create, user=ann.id, scope="read")
    await access.do(tokens.revoke, made[0].record.id)
    await access.do(tokens.create, user=ann.id, scope="read")
