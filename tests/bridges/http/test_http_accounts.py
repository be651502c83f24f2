"""Accounts: signing up, in and out, tokens, users and invitations."""

import pytest

from gateway.access import links
from gateway.access.requests import COOKIE

API = "/api/v1"
PASSWORD = "correct horse"


@pytest.fixture
async def ann(core):
    """The headers of ann's browser."""
    return await core.cookie(await core.user(password=PASSWORD))


@pytest.fixture
async def root(core):
    """The headers of an admin's token."""
    return await core.bearer(await core.user("root@example.org", role="admin"))


def problem(response):
    """Return the problem that a response is."""
    return response.json(content_type="application/problem+json")


async def test_the_first_start_s_link_makes_the_admin_once(core, client):
    """Then it is used up."""
    link = (await core.do(links.first_admin)).secret
    new = {"email": "ann@example.org", "password": PASSWORD, "invitation": link}
    async with client.post(f"{API}/users", json=new) as response:
        made = await response.json()
        assert (response.status, made["role"], made["email"]) == (201, "admin", "ann@example.org")
    assert (await client.post(f"{API}/users", json={**new, "email": "b@example.org"})).status == 401


async def test_an_invitation_makes_the_account_it_is_for(client, root):
    """An admin invites; without an invitation nobody gets in."""
    async with client.post(
        f"{API}/invitations", json={"email": "eve@example.org"}, headers=root
    ) as response:
        assert response.status == 201
        text = (await response.json())["invitation"]
    new = {"email": "other@example.org", "password": PASSWORD}
    assert (await client.post(f"{API}/users", json=new)).status == 403
    async with client.post(f"{API}/users", json={**new, "invitation": text}) as response:
        assert (await response.json())["email"] == "eve@example.org"


@pytest.mark.parametrize("sign_up", ["open"])
async def test_with_open_sign_up_anybody_makes_an_account(client, sign_up):
    """Each wrong field is named, and an email that exists is a conflict."""
    new = {"email": "ann@example.org", "password": PASSWORD}
    assert (await client.post(f"{API}/users", json=new)).status == 201
    async with client.post(f"{API}/users", json=new) as response:
        assert (response.status, (await problem(response))["fields"].keys()) == (409, {"email"})
    for wrong, field in (({"password": "short"}, "password"), ({"email": "nobody"}, "email")):
        async with client.post(f"{API}/users", json={**new, **wrong}) as response:
            assert (response.status, (await problem(response))["fields"].keys()) == (400, {field})


@pytest.mark.parametrize("sign_up", ["open"])
async def test_all_that_is_wrong_with_a_new_account_is_named_at_once(client, sign_up):
    """Email, name and password together, not one after the other."""
    wrong = {"email": "nobody", "name": "a\nb", "password": "short"}
    async with client.post(f"{API}/users", json=wrong) as response:
        assert (response.status, (await problem(response))["fields"].keys()) == (400, wrong.keys())


async def test_an_admin_makes_accounts_without_an_invitation(core, client, root):
    """Others cannot, whatever they show; a browser's request must come from the site's own page."""
    new = {"email": "eve@example.org", "password": PASSWORD}
    cookie = await core.cookie(1)
    for headers, status in (
        (await core.bearer(await core.user()), 403),
        (await core.bearer(1, "read"), 403),
        ({"Authorization": "Bearer gwt_wrong"}, 401),
        ({**cookie, "Origin": "https://elsewhere.example"}, 403),
        (root, 201),
    ):
        assert (await client.post(f"{API}/users", json=new, headers=headers)).status == status
    async with client.post(
        f"{API}/users", json={**new, "email": "eva@example.org"}, headers=cookie
    ) as response:
        assert (response.status, (await response.json())["role"]) == (201, "user")


async def test_login_sets_a_cookie_that_signs_in_until_logout(core, client):
    """HttpOnly and SameSite; after logout it is nobody's."""
    await core.user(password=PASSWORD)
    async with client.post(
        f"{API}/login", json={"email": "ANN@example.org", "password": PASSWORD}
    ) as response:
        assert (response.status, (await response.json())["email"]) == (200, "ann@example.org")
        header = response.headers["Set-Cookie"]
    assert header.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(header.split("; "))
    cookie = {"Cookie": header.split(";")[0]}
    async with client.get(f"{API}/me", headers=cookie) as response:
        me = await response.json()
    assert (me["key"], me["scope"], me["user"]["email"]) == ("user:1", "admin", "ann@example.org")
    assert (await client.post(f"{API}/logout", headers=cookie)).status == 204
    assert (await client.get(f"{API}/me", headers=cookie)).status == 401


async def test_a_form_signs_in_and_leads_to_the_page(core, client):
    """As a browser without a script sends it."""
    await core.user(password=PASSWORD)
    form = {"email": "ann@example.org", "password": PASSWORD}
    async with client.post(f"{API}/login", data=form, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/")
        assert COOKIE in response.cookies


@pytest.mark.parametrize(
    ("charset", "email", "status"),
    [
        ("utf-8", b"ann%40example.org", 303),
        ("UTF-8", b"ann%40example.org", 303),
        ("unicode_escape", rb"\ud800@x.y", 415),
        ("raw_unicode_escape", rb"\ud800@x.y", 415),
        ("utf-7", b"+2AA-@x.y", 415),
        ("punycode", b"b" * 3_000, 415),
        ("nonsense", b"a@x.y", 415),
        ("utf-8", b"%ED%A0%80@x.y", 400),
        ("utf-8", b"\xff@x.y", 400),
        ("utf-8", b"&".join([b"a=1"] * 200), 400),
    ],
)
async def test_a_form_is_read_as_utf_8_and_no_other_charset(core, client, charset, email, status):
    """Others take long to decode, or make text that the database cannot hold and the audit met."""
    await core.user(password=PASSWORD)
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    body = b"email=" + email + b"&password=" + PASSWORD.encode()
    async with client.post(
        f"{API}/login", data=body, headers=headers, allow_redirects=False
    ) as response:
        assert response.status == status
    await core.journal.flush()


async def test_a_sign_in_link_signs_in_once(core, client):
    """The second time it is refused."""
    link = (await core.do(links.sign_in, await core.user())).secret
    assert (await client.post(f"{API}/login", json={"link": link})).status == 200
    assert (await client.post(f"{API}/login", json={"link": link})).status == 401


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(core, client):
    """Nobody learns which accounts there are."""
    await core.user(password=PASSWORD)
    said = []
    for email in ("ann@example.org", "nobody@example.org"):
        async with client.post(
            f"{API}/login", json={"email": email, "password": "wrong password"}
        ) as response:
            said.append((response.status, await problem(response)))
    assert said[0] == said[1]
    assert said[0][0] == 401


async def test_login_needs_what_it_needs(client):
    """The missing fields are named."""
    async with client.post(f"{API}/login", json={"email": "ann@example.org"}) as response:
        assert (response.status, (await problem(response))["fields"]) == (
            400,
            {"password": "is missing"},
        )


async def test_a_page_of_another_site_does_nothing_with_the_cookie(core, client, ann):
    """Its origin is not ours; ours is, and a GET changes nothing."""
    foreign, own = (
        {"Origin": "https://evil.example"},
        {"Origin": f"http://{client.host}:{client.port}"},
    )
    path, new = f"{API}/devices", {"id": "kitchen"}
    assert (await client.post(path, json=new, headers={**ann, **foreign})).status == 403
    assert (await client.post(path, json=new, headers={**ann, "Origin": "null"})).status == 403
    assert (await client.post(f"{API}/login", json={"link": "x"}, headers=foreign)).status == 403
    assert (await client.post(path, json=new, headers={**ann, **own})).status == 201
    token = await core.bearer(1)
    assert (await client.post(path, json={"id": "b"}, headers={**token, **foreign})).status == 201


async def test_a_new_password_ends_all_other_sessions(core, client, ann):
    """The current one is asked for; the browser that changes it stays signed in."""
    other = await core.cookie(1)
    path, new = f"{API}/me/password", {"password": "another one", "current": PASSWORD}
    assert (await client.post(path, json={**new, "current": "wrong"}, headers=ann)).status == 401
    assert (await client.post(path, json={**new, "password": "short"}, headers=ann)).status == 400
    assert (await client.post(path, json=new, headers=ann)).status == 204
    assert (await client.get(f"{API}/me", headers=ann)).status == 200
    assert (await client.get(f"{API}/me", headers=other)).status == 401
    login = {"email": "ann@example.org", "password": "another one"}
    assert (await client.post(f"{API}/login", json=login)).status == 200


async def test_logout_everywhere(core, client, ann):
    """Every session of the user ends; a token has none to end by itself."""
    other = await core.cookie(1)
    token = await core.bearer(1)
    assert (await client.post(f"{API}/logout", headers=token)).status == 400
    assert (await client.post(f"{API}/logout?everywhere=true", headers=ann)).status == 204
    for headers in (ann, other):
        assert (await client.get(f"{API}/me", headers=headers)).status == 401


async def test_tokens_are_made_listed_and_revoked(core, client, ann):
    """The secret is shown once and works until it is revoked."""
    await core.device("kitchen", 1)
    new = {
        "name": "script",
        "scope": "read",
        "devices": ["kitchen"],
        "expires": "2026-01-01T00:00:00Z",
    }
    async with client.post(f"{API}/tokens", json=new, headers=ann) as response:
        assert response.status == 201
        made = await response.json()
    token = {"Authorization": f"Bearer {made.pop('token')}"}
    assert made["expires"] == 1_767_225_600_000
    assert (await client.get(f"{API}/devices/kitchen", headers=token)).status == 200
    assert (await client.get(f"{API}/tokens", headers=token)).status == 403
    used = {**made, "last_used": core.clock.now}
    assert await (await client.get(f"{API}/tokens", headers=ann)).json() == {"tokens": [used]}
    bob = await core.bearer(await core.user("bob@example.org"))
    assert (await client.delete(f"{API}/tokens/{made['id']}", headers=bob)).status == 404
    assert (await client.delete(f"{API}/tokens/{made['id']}", headers=ann)).status == 204
    assert (await client.get(f"{API}/devices/kitchen", headers=token)).status == 401


@pytest.mark.parametrize(
    ("new", "fields"),
    [
        ({}, {"scope"}),
        ({"scope": "all"}, {"scope"}),
        ({"scope": "read", "expires": 1000}, {"expires"}),
        ({"scope": "read", "devices": ["no/slash"]}, {"devices"}),
    ],
)
async def test_each_wrong_field_of_a_token_is_named(client, ann, new, fields):
    """Unknown scopes, times in the past."""
    async with client.post(f"{API}/tokens", json=new, headers=ann) as response:
        assert (response.status, (await problem(response))["fields"].keys()) == (400, fields)


async def test_admins_keep_users(core, client, root):
    """They list, change and remove them; others do none of it, and the last admin stays."""
    bob = await core.bearer(await core.user("bob@example.org"))
    users = await (await client.get(f"{API}/users", headers=root)).json()
    assert [user["email"] for user in users["users"]] == ["root@example.org", "bob@example.org"]
    for method, path in (
        ("GET", "/users"),
        ("PATCH", "/users/1"),
        ("DELETE", "/users/1"),
        ("POST", "/invitations"),
    ):
        assert (await client.request(method, f"{API}{path}", json={}, headers=bob)).status == 403
    async with client.patch(f"{API}/users/2", json={"disabled": True}, headers=root) as response:
        assert (await response.json())["disabled"] is True
    assert (await client.get(f"{API}/me", headers=bob)).status == 401
    assert (await client.patch(f"{API}/users/2", json={"role": "king"}, headers=root)).status == 400
    assert (await client.delete(f"{API}/users/2", headers=root)).status == 204
    assert (await client.delete(f"{API}/users/2", headers=root)).status == 404
    assert (await client.delete(f"{API}/users/x", headers=root)).status == 404
    assert (await client.delete(f"{API}/users/1", headers=root)).status == 409


async def test_me_of_a_device_and_of_a_token(core, client):
    """Each says who it is."""
    from tests.bridges.conftest import basic

    key = await core.device("kitchen", await core.user())
    me = await (await client.get(f"{API}/me", headers=basic("kitchen", key))).json()
    assert (me["key"], me["device"], me["user"]) == ("device:kitchen", "kitchen", None)
    limited = await core.bearer(1, "read", devices=["kitchen"])
    me = await (await client.get(f"{API}/me", headers=limited)).json()
    assert (me["scope"], me["devices"], me["user"]["id"]) == ("read", ["kitchen"], 1)


@pytest.mark.parametrize("sign_up", ["open"])
async def test_strangers_make_few_accounts_one_after_another(client, sign_up):
    """From one address, where anybody may make one."""
    codes = []
    for number in range(5):
        new = {"email": f"a{number}@example.org", "password": PASSWORD}
        codes.append((await client.post(f"{API}/users", json=new)).status)
    assert codes == [201, 201, 201, 201, 429]
