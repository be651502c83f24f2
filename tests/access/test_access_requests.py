"""Signing in with an HTTP request."""

import base64

import pytest

from gateway.access import devices, sessions, tokens
from gateway.access.requests import Offer, demand_same_origin, set_cookie, sign_in_by
from gateway.errors import Forbidden, Unauthenticated

HOST = "gateway.local:8080"


@pytest.fixture
async def secrets(access):
    """A user's token and cookie, and a device's key."""
    from gateway.access import accounts

    user = (await access.do(accounts.create, email="ann@example.org", password=None)).id
    return {
        "token": (await access.do(tokens.create, user=user, scope="write")).secret,
        "cookie": (await access.do(sessions.open_session, user)).secret,
        "key": (await access.do(devices.create, id="kitchen", owner=user)).secret,
    }


def basic(name, secret):
    """Return a Basic header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


async def test_each_of_the_ways_in(access, secrets):
    """A token, a device's key as Bearer where the path names it or as Basic, the cookie."""
    ways = {
        "token:1": Offer(authorization=f"Bearer {secrets['token']}"),
        "device:kitchen": Offer(authorization=basic("kitchen", secrets["key"])),
        "user:1": Offer(cookie=secrets["cookie"]),
    }
    for key, offer in ways.items():
        assert sign_in_by(access.sign_in, offer, acts=True).key == key
    bearer = Offer(authorization=f"Bearer {secrets['key']}")
    assert sign_in_by(access.sign_in, bearer, acts=True, device="kitchen").key == "device:kitchen"
    for device in (None, "garden"):
        with pytest.raises(Unauthenticated):
            sign_in_by(access.sign_in, bearer, acts=True, device=device)


async def test_a_wrong_header_is_not_mended_by_a_cookie(access, secrets):
    """Who shows a header means it."""
    with pytest.raises(Unauthenticated):
        sign_in_by(
            access.sign_in, Offer(authorization="Bearer x", cookie=secrets["cookie"]), acts=False
        )
    with pytest.raises(Unauthenticated):
        sign_in_by(access.sign_in, Offer(), acts=False)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://gateway.local", "http://gateway.local:8080.evil"],
)
async def test_what_a_browser_sends_by_itself_counts_from_our_pages_only(access, secrets, origin):
    """The cookie and Basic do not act for another site; a token, which no browser adds, does, and
    looking is free.
    """
    foreign = {"origin": origin, "host": HOST}
    for offer in (
        Offer(cookie=secrets["cookie"], **foreign),
        Offer(authorization=basic("kitchen", secrets["key"]), **foreign),
    ):
        with pytest.raises(Forbidden):
            sign_in_by(access.sign_in, offer, acts=True)
        assert sign_in_by(access.sign_in, offer, acts=False)
    assert sign_in_by(
        access.sign_in, Offer(authorization=f"Bearer {secrets['token']}", **foreign), acts=True
    )


@pytest.mark.parametrize("origin", [None, "http://gateway.local:8080", "HTTP://GATEWAY.local:8080"])
async def test_our_pages_and_programs_may(access, secrets, origin):
    """A program names no origin."""
    assert sign_in_by(
        access.sign_in, Offer(cookie=secrets["cookie"], origin=origin, host=HOST), acts=True
    )


def test_a_cookie_is_kept_from_scripts_and_other_sites():
    """And from plain HTTP where there is TLS; an empty one goes at once."""
    given = set_cookie("abc", 60, secure=True)
    assert given == "gateway_session=abc; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert (
        set_cookie("", 60, secure=False)
        == "gateway_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    )


def test_an_offer_s_repr_holds_no_secret():
    """It may stand in a log."""
    assert "secret" not in repr(Offer(authorization="Bearer secret", cookie="secret"))


@pytest.mark.parametrize(
    ("origin", "secure", "ours"),
    [
        ("https://gateway.local:8080", True, True),
        ("https://gateway.local:8080", False, True),  # a proxy ends TLS
        ("http://gateway.local:8080", False, True),
        ("http://gateway.local:8080", True, False),  # somebody between, without TLS
        ("http://[", False, False),
    ],
)
def test_the_scheme_of_a_page_counts(origin, secure, ours):
    """A page without TLS is not that of a gateway with TLS."""
    offer = Offer(origin=origin, host=HOST, secure=secure)
    if ours:
        demand_same_origin(offer)
    else:
        with pytest.raises(Forbidden):
            demand_same_origin(offer)
