"""Signing in on every entrance."""

from __future__ import annotations

import asyncio
import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import accounts, devices, sessions, tokens
from gateway.access.keys import TOKEN_PREFIX
from gateway.access.policy import Action
from gateway.access.sign_in import SignIn
from gateway.broker.port import Credentials
from gateway.errors import TooMany, Unauthenticated


@pytest.fixture
async def ann(access):
    """A user with the password `long enough`."""
    password = await access.passwords.hash("long enough")
    return await access.do(accounts.create, email="ann@example.com", password=password)


@pytest.fixture
async def kitchen(access, ann):
    """Ann's device, with its key."""
    return await access.do(devices.create, id="kitchen", owner=ann.id)


async def refused(call, *args, **kwargs) -> Unauthenticated:
    """Return the `Unauthenticated` that a sign-in, plain or async, is answered with."""
    try:
        result = call(*args, **kwargs)
        if asyncio.iscoroutine(result):
            await result
    except Unauthenticated as error:
        return error
    pytest.fail("it was let in")


def mqtt(username, password, **more) -> Credentials:
    """Return what a CONNECT offers."""
    return Credentials(username, password, more.pop("client_id", "any"), address="10.0.0.9", **more)


def basic(name: str, secret: str) -> str:
    """Return a Basic header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


async def test_a_device_signs_in_with_its_key(access, ann, kitchen):
    """Whatever its client id; the principal is the device's and stands."""
    principal = access.sign_in.mqtt(mqtt("kitchen", kitchen.secret.encode()))
    assert (principal.key, principal.device, principal.owner) == (
        "device:kitchen",
        "kitchen",
        ann.id,
    )
    assert access.registry.stands(principal)
    assert kitchen.secret not in repr(principal) + repr(kitchen)


@pytest.mark.parametrize("secret", [b"", b"wrong", b"\xff\xfe", b"x" * 100_000, None])
async def test_a_wrong_key_is_refused(access, kitchen, secret):
    """Any bytes; and an unknown device gets the same answer."""
    wrong = await refused(access.sign_in.mqtt, mqtt("kitchen", secret))
    unknown = await refused(access.sign_in.mqtt, mqtt("cellar", secret))
    assert str(wrong) == str(unknown)
    await refused(access.sign_in.mqtt, mqtt(None, secret))
    await refused(access.sign_in.mqtt, mqtt("", secret))


async def test_a_right_key_signs_in_at_once_whoever_else_fails(access, kitchen):
    """Failures are slowed, and nobody is locked out."""
    for _ in range(50):
        error = await refused(access.sign_in.device, "kitchen", "wrong", "10.0.0.1")
    assert error.delay > 5
    assert access.sign_in.device("kitchen", kitchen.secret, "10.0.0.1").device == "kitchen"


async def test_a_replaced_key_stops_at_once(access, kitchen):
    """The old key is wrong, and who signed in with it no longer stands."""
    principal = access.sign_in.device("kitchen", kitchen.secret)
    new = await access.do(devices.replace_key, "kitchen")
    await refused(access.sign_in.device, "kitchen", kitchen.secret)
    assert not access.registry.stands(principal)
    assert access.registry.stands(access.sign_in.device("kitchen", new.secret))


@pytest.mark.parametrize("change", ["device", "owner", "removed"])
async def test_a_device_that_may_not_is_cut_off(access, ann, kitchen, change):
    """Disabled, of a disabled user, or removed."""
    principal = access.sign_in.device("kitchen", kitchen.secret)
    if change == "device":
        await access.do(devices.change, "kitchen", disabled=True)
    elif change == "owner":
        await access.do(accounts.create, email="ada@example.com", password=None, role="admin")
        await access.do(accounts.change, ann.id, disabled=True)
    else:
        await access.do(devices.remove, "kitchen")
    await refused(access.sign_in.device, "kitchen", kitchen.secret)
    assert not access.registry.stands(principal)
    assert not access.policy.may(principal, Action.PUBLISH, "devices/kitchen/telemetry")


async def test_a_certificates_name_is_the_device(access, kitchen):
    """TLS has verified it; a name that contradicts it needs its own key."""
    principal = access.sign_in.mqtt(mqtt(None, None, certificate="kitchen"))
    assert principal.device == "kitchen"
    assert access.registry.stands(principal)
    assert access.sign_in.mqtt(mqtt("kitchen", b"", certificate="kitchen")).device == "kitchen"
    await access.do(devices.create, id="hall")
    await refused(access.sign_in.mqtt, mqtt("hall", None, certificate="kitchen"))
    await refused(access.sign_in.mqtt, mqtt(None, None, certificate="cellar"))
    await access.do(devices.change, "kitchen", disabled=True)
    assert not access.registry.stands(principal)


async def test_a_token_signs_a_listener_in(access, ann):
    """Over MQTT, by Bearer and by Basic, until it is revoked."""
    issued = await access.do(tokens.create, user=ann.id, scope="read", name="panel")
    for principal in (
        access.sign_in.mqtt(mqtt("token", issued.secret.encode())),
        access.sign_in.authorization(f"bearer  {issued.secret} "),
        access.sign_in.authorization(basic("token", issued.secret)),
        access.sign_in.authorization(f"Bearer {issued.secret}", device="kitchen"),
    ):
        assert (principal.key, principal.name, principal.scope, principal.owner) == (
            "token:1",
            "panel",
            "read",
            ann.id,
        )
    await access.do(tokens.revoke, issued.record.id)
    await refused(access.sign_in.token, issued.secret)
    assert not access.registry.stands(principal)


async def test_an_expired_token_says_so(access, ann):
    """Whoever holds the right token may know."""
    issued = await access.do(tokens.create, user=ann.id, scope="read", expires=access.clock.now + 1)
    access.clock.now += 1
    assert "expired" in str(await refused(access.sign_in.token, issued.secret))


async def test_a_devices_key_is_a_bearer_where_the_request_names_the_device(access, kitchen):
    """`POST /devices/kitchen/telemetry` with the key as Bearer, or as Basic anywhere."""
    header = f"Bearer {kitchen.secret}"
    assert access.sign_in.authorization(header, device="kitchen").device == "kitchen"
    assert access.sign_in.authorization(basic("kitchen", kitchen.secret)).device == "kitchen"
    await refused(access.sign_in.authorization, header)
    await refused(access.sign_in.authorization, header, device="hall")


@given(
    header=st.text()
    | st.text().map("Basic ".__add__)
    | st.binary().map(lambda b: f"Basic {base64.b64encode(b).decode()}")
)
def test_any_header_that_is_not_right_is_refused(header):
    """No header raises anything else."""
    sign_in = SignIn(_Nobody(), _Nobody(), _Nobody(), _Nobody())
    with pytest.raises(Unauthenticated):
        sign_in.authorization(header)


class _Nobody:
    """A registry, a throttle and a journal in which there is nothing."""

    def __init__(self):
        self.devices = {}

    def token_of(self, hash_):
        return None

    def failed(self, *args, **kwargs):
        return 0.0


async def test_a_cookie_signs_a_browser_in_until_it_is_signed_out(access, ann):
    """Sign out everywhere closes all sessions of the user and no other."""
    bob = await access.do(accounts.create, email="bob@example.com", password=None)
    one, two, other = [
        await access.do(sessions.open_session, user) for user in (ann.id, ann.id, bob.id)
    ]
    principals = [access.sign_in.cookie(each.secret) for each in (one, two, other)]
    assert [p.key for p in principals] == [f"user:{ann.id}", f"user:{ann.id}", f"user:{bob.id}"]
    await access.do(sessions.close_session, one.record.id)
    assert [access.registry.stands(p) for p in principals] == [False, True, True]
    await access.do(sessions.close_all, ann.id)
    assert [access.registry.stands(p) for p in principals] == [False, False, True]
    await refused(access.sign_in.cookie, two.secret)
    access.clock.now = other.record.expires
    await refused(access.sign_in.cookie, other.secret)
    await refused(access.sign_in.cookie, "x" * 10_000)


async def test_a_board_claims_with_the_code(access):
    """Right code, own name, nothing else."""
    principal = access.sign_in.mqtt(mqtt("claim", b"open sesame", client_id="board-1"))
    assert principal.claim == "board-1"
    assert access.registry.stands(principal)
    await refused(access.sign_in.claim, "open", "board-1")
    await refused(access.sign_in.claim, "open sesame", "")
    off = SignIn(access.registry, access.throttle, access.journal, access.passwords)
    await refused(off.claim, "", "board-1")


async def test_a_password_signs_a_user_in(access, ann):
    """Whatever the case of the email."""
    assert await access.sign_in.password(" Ann@Example.com", "long enough") == ann


async def test_unknown_names_and_wrong_passwords_take_the_same_path(access, ann, monkeypatch):
    """Each attempt verifies exactly one hash, and the answers are the same."""
    verified = []
    matches = access.passwords._matches
    monkeypatch.setattr(
        access.passwords,
        "_matches",
        lambda kept, text: verified.append(kept) or matches(kept, text),
    )
    nobody = await access.do(accounts.create, email="no-password@example.com", password=None)
    answers = {
        str(await refused(access.sign_in.password, email, "wrong password", email))
        for email in (ann.email, "unknown@example.com", nobody.email)
    }
    assert len(answers) == 1
    assert len(verified) == 3
    assert verified[0] == ann.password
    assert verified[1] == verified[2] != ann.password
    await refused(access.sign_in.password, "unknown@example.com", "nobody's password")


async def test_guessing_a_password_is_stopped_and_its_owner_is_not(access, ann):
    """The next guess is not even looked at; from elsewhere the right password works."""
    attempts = [access.sign_in.password(ann.email, f"guess {n}", "10.0.0.1") for n in range(40)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    looked_at = [outcome for outcome in outcomes if isinstance(outcome, Unauthenticated)]
    assert len(looked_at) == 4
    assert all(isinstance(outcome, TooMany) for outcome in outcomes if outcome not in looked_at)
    with pytest.raises(TooMany):
        await access.sign_in.password(ann.email, "long enough", "10.0.0.1")
    assert await access.sign_in.password(ann.email, "long enough", "10.0.0.2") == ann
    access.clock.now += 10_000
    assert await access.sign_in.password(ann.email, "long enough", "10.0.0.1") == ann


async def test_a_disabled_account_is_told_so_after_the_right_password_only(access, ann):
    """A wrong one learns nothing."""
    await access.do(accounts.create, email="ada@example.com", password=None, role="admin")
    await access.do(accounts.change, ann.id, disabled=True)
    assert "disabled" in str(await refused(access.sign_in.password, ann.email, "long enough"))
    assert "disabled" not in str(await refused(access.sign_in.password, ann.email, "wrong"))


async def test_sign_ins_are_in_the_audit_without_secrets(access, ann, kitchen):
    """Who signed in, once an hour; who failed, with a count."""
    issued = await access.do(tokens.create, user=ann.id, scope="read")
    for _ in range(3):
        access.sign_in.device("kitchen", kitchen.secret, "10.0.0.5")
        await refused(access.sign_in.device, "hall", "wrong-key", "10.0.0.6")
    access.sign_in.token(issued.secret, "10.0.0.5")
    await refused(access.sign_in.device, issued.secret, "", "10.0.0.6")
    await access.journal.flush()
    entries = await access.store.audit.read(None, 100)
    seen = [
        (e.actor, e.action, e.object, e.detail) for e in entries if e.action.startswith("sign in")
    ]
    assert seen == [
        ("", "sign in failed", f"{TOKEN_PREFIX}...", {"count": 1}),
        ("", "sign in failed", "hall", {"count": 3}),
        ("token:1", "sign in", "", {"name": f"token 1 of {ann.email}"}),
        ("device:kitchen", "sign in", "", {"name": "kitchen"}),
    ]
    text = repr(entries)
    for secret in (kitchen.secret, issued.secret, "wrong-key", ann.password):
        assert secret not in text


async def test_guessing_the_claim_code_is_stopped(access):
    """After some wrong ones not even the right one is looked at before its time has come."""
    for number in range(4):
        await refused(access.sign_in.claim, f"guess {number}", "board", "10.0.0.9")
    with pytest.raises(TooMany) as caught:
        access.sign_in.claim("open sesame", "board", "10.0.0.9")
    assert access.sign_in.claim("open sesame", "board", "10.0.0.10").claim == "board"
    access.clock.now += 1000 * round(caught.value.retry_after + 1)
    assert access.sign_in.claim("open sesame", "board", "10.0.0.9").claim == "board"


async def test_who_makes_one_account_after_another_has_to_wait(access):
    """From elsewhere others make theirs."""
    for _ in range(4):
        access.sign_in.sign_up("10.0.0.9")
    with pytest.raises(TooMany):
        access.sign_in.sign_up("10.0.0.9")
    access.sign_in.sign_up("10.0.0.10")


async def test_a_try_without_a_place_is_held_back_and_does_not_count(access, ann, monkeypatch):
    """Who floods waits for the answer; the person's own count stays what it was."""

    async def no_place(*_):
        raise TooMany("no place", delay=2.0)

    monkeypatch.setattr(access.passwords, "verify", no_place)
    for _ in range(10):
        with pytest.raises(TooMany) as caught:
            await access.sign_in.password("ann@example.com", "long enough", "10.0.0.9")
        assert caught.value.delay >= 2.0
    monkeypatch.undo()
    assert await access.sign_in.password("ann@example.com", "long enough", "10.0.0.9")
