"""The pages: who sees which, what they load, and that a one-time link survives being looked at."""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp import web

from gateway.access import links, sessions
from gateway.access.requests import COOKIE
from gateway.bridges.web import Pages, files, pages
from gateway.bridges.web.navigation import OLD_ADDRESSES, PAGES
from gateway.bridges.web.place import Place

HERE = Path(pages.__file__).resolve().parent
SCRIPTS = {path.stem: path.read_text() for path in (HERE / "static").glob("*.js")}
HTML = {path.stem: path.read_text() for path in (HERE / "html").glob("*.html")}
INSIDE = [page.path.format(id="kitchen") for page in PAGES]
OUTSIDE = ["/sign-in", "/sign-up", "/sign-up?link=x"]
LANGUAGES = files.languages()


@pytest.fixture
def sign_up_open():
    """Whether accounts need no invitation."""
    return False


@pytest.fixture
async def browser(core, aiohttp_client, sign_up_open):
    """A browser that nobody has signed in with; it follows no redirection."""
    app = web.Application()
    served = Pages(
        core.registry,
        core.sign_in,
        clock=core.clock,
        place=Place("", 1884, 0),
        sign_up_open=sign_up_open,
    )
    app.add_routes(served.routes())
    client = await aiohttp_client(app)

    async def get(path, **headers):
        return await client.get(path, headers=headers, allow_redirects=False)

    return get


@pytest.fixture
async def cookie(core):
    """The headers of a browser in which Ann has signed in, who is an admin."""
    return await core.cookie(await core.user(role="admin"))


class Read(HTMLParser):
    """What a page has: ids, addresses, and what its Content-Security-Policy would refuse."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.addresses, self.refused, self.fields = [], [], [], 0
        self.labels = 0
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._inside = tag
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("src", "href") if name in given]
        self.refused += [name for name in given if name == "style" or name.startswith("on")]
        self.refused += ["get"] if tag == "form" and given.get("method") != "post" else []
        self.labels += tag == "label"
        self.fields += tag in {"input", "select", "textarea"} and "hidden" not in given
        if tag == "style" or (tag == "script" and "src" not in given):
            self.refused.append(tag)


async def every_page(browser, cookie):
    """Return the text of every page there is, by address."""
    inside = {path: await (await browser(path, **cookie)).text() for path in INSIDE}
    return inside | {path: await (await browser(path)).text() for path in OUTSIDE}


@pytest.mark.parametrize("path", INSIDE)
async def test_a_stranger_is_led_to_the_sign_in(browser, path):
    """Nothing inside is shown without sign-in."""
    response = await browser(path)
    assert (response.status, response.headers["Location"]) == (303, "/sign-in")
    assert await response.text() == ""


@pytest.mark.parametrize(("path", "to"), OLD_ADDRESSES.items())
async def test_old_addresses_lead_on(browser, path, to):
    """Bookmarks of IOTcommunicate's pages find what took their place."""
    response = await browser(path)
    assert (response.status, response.headers["Location"]) == (303, to)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_who_is_signed_in_sees_the_page(browser, cookie, page, language):
    """Each page has its own title and script, and its link in the menu is marked."""
    path = page.path.format(id="kitchen")
    response = await browser(path, **cookie, **{"Accept-Language": f"xx,{language}-XX;q=0.5"})
    text = await response.text()
    assert (response.status, response.content_type) == (200, "text/html")
    assert f'<html lang="{language}"' in text
    assert f"<title>{LANGUAGES[language][f'{page.name}.title']} · Gateway</title>" in text
    assert f'src="/static/{page.name}.js"' in text
    marked = "/devices" if page.name == "device" else page.path
    assert f'<a href="{marked}" aria-current="page">' in text


async def test_a_user_sees_no_page_of_admins(browser, core):
    """Neither the page nor its link in the menu."""
    user = await core.cookie(await core.user("bob@example.org"))
    menu = await (await browser("/", **user)).text()
    for page in PAGES:
        path = page.path.format(id="kitchen")
        assert (await browser(path, **user)).status == (404 if page.admin else 200)
        assert (f'<a href="{page.path}"' in menu) is (page.menu and not page.admin)


async def test_the_chosen_language_goes_before_the_browsers(browser):
    """The cookie that the switch sets counts; one that names no language does not."""
    german = {"Accept-Language": "de"}
    assert 'lang="de"' in await (await browser("/sign-in", **german)).text()
    assert 'lang="en"' in await (await browser("/sign-in", Cookie="language=en", **german)).text()
    assert 'lang="de"' in await (await browser("/sign-in", Cookie="language=../x", **german)).text()
    assert 'lang="en"' in await (await browser("/sign-in", **{"Accept-Language": "\xff;;,"})).text()


async def test_a_session_that_has_ended_leads_to_the_sign_in(browser, core, cookie):
    """An expired cookie, a wrong one and an overlong one are no sign-in."""
    for value in ("", "wrong", "x" * 4000):
        assert (await browser("/", Cookie=f"{COOKIE}={value}")).status == 303
    core.clock.now += sessions.LIFETIME + 1
    assert (await browser("/", **cookie)).status == 303


async def test_the_sign_in_leads_on_who_is_signed_in(browser, cookie):
    """The sign-in page leads on to the board."""
    response = await browser("/sign-in", **cookie)
    assert (response.status, response.headers["Location"]) == (303, "/")


async def test_looking_at_a_sign_in_link_does_not_use_it(browser, core):
    """A preview of the link leaves it as it was, and signs nobody in."""
    link = (await core.do(links.sign_in, await core.user())).secret
    for _ in range(3):
        response = await browser(f"/sign-in?link={link}")
        assert response.status == 200
        assert 'id="link"' in await response.text()
        assert "Set-Cookie" not in response.headers
    assert (await core.do(sessions.open_by_link, link)).secret


async def test_a_link_for_an_account_shows_the_form(browser, core):
    """The first admin's link and an invitation ask for email and password."""
    first = (await core.do(links.first_admin)).secret
    invitation = (await core.do(links.invite)).secret
    for link in (first, invitation):
        response = await browser(f"/sign-in?link={link}")
        assert response.status == 200
        assert 'id="sign-up"' in await response.text()


@pytest.mark.parametrize("link", ["", "wrong", "%00", "x" * 3000])
async def test_a_link_that_is_none_says_so(browser, link):
    """The page tells what to do instead, and is gone rather than missing."""
    response = await browser(f"/sign-in?link={link}")
    assert response.status == 410
    assert "A link works once" in await response.text()


async def test_a_link_is_spent_after_its_use_and_after_its_time(browser, core):
    """Used up or expired, a link is shown as such."""
    user = await core.user()
    used = (await core.do(links.sign_in, user)).secret
    await core.do(sessions.open_by_link, used)
    late = (await core.do(links.sign_in, user)).secret
    core.clock.now += links.HOUR
    for link in (used, late):
        assert (await browser(f"/sign-in?link={link}")).status == 410


async def test_without_an_invitation_there_is_no_form(browser):
    """By invitation: the page says whom to ask, as does the door."""
    assert 'id="sign-up"' not in await (await browser("/sign-up")).text()
    assert 'id="sign-up"' in await (await browser("/sign-up?link=x")).text()
    assert 'href="/sign-up"' not in await (await browser("/sign-in")).text()


@pytest.mark.parametrize("sign_up_open", [True])
async def test_open_sign_up_shows_the_form(browser, sign_up_open):
    """Where everybody may, the door says how."""
    assert 'id="sign-up"' in await (await browser("/sign-up")).text()
    assert 'href="/sign-up"' in await (await browser("/sign-in")).text()


@pytest.mark.parametrize(
    "path", [*INSIDE, *OUTSIDE, "/sign-in?link=x", "/static/style.css", "/static/now.js"]
)
async def test_security_headers(browser, cookie, path):
    """Every page and file forbids framing, guessing of types, telling its address, and what is not
    its own.
    """
    for headers in ({}, cookie):
        response = await browser(path, **headers)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == ("no-cache" if "static" in path else "no-store")


async def test_pages_keep_to_their_policy(browser, cookie):
    """No inline script or style, nothing from elsewhere, and no form that would put a password in
    an address.
    """
    for path, text in (await every_page(browser, cookie)).items():
        read = Read(text)
        assert read.refused == [], path
        assert all(re.match(r"/[a-z]|/$|#", address) for address in read.addresses), path
        assert len(set(read.ids)) == len(read.ids), path
        assert read.labels == read.fields, (
            f"{path}: a field without a label, or the other way round"
        )
        assert "$" not in text, path


async def test_everything_a_page_names_is_there(browser, cookie):
    """Files and pages that pages refer to, and what scripts import, are served."""
    names = {
        address
        for text in (await every_page(browser, cookie)).values()
        for address in Read(text).addresses
    }
    names |= {
        f"/static/{name}"
        for text in SCRIPTS.values()
        for name in re.findall(r'(?:from|import) "\./([^"]+)"', text)
    }
    for name in sorted(names - {"/openapi.json"}):
        if not name.startswith("#"):
            assert (await browser(name, **cookie)).status in {200, 303}, name


def test_scripts_find_what_they_look_for():
    """Each id that a page's script asks for is in that page."""
    for name in SCRIPTS.keys() & HTML.keys():
        asked = set(re.findall(r'(?:[bB]yId|formOf)\("([^"]+)"\)', SCRIPTS[name]))
        assert asked, name
        assert asked <= set(Read(HTML[name]).ids), name


def test_scripts_never_make_markup_of_data():
    """What a device sends is text."""
    for name, text in SCRIPTS.items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        ), name


async def test_static_files_are_asked_for_again_but_not_sent_again(browser):
    """A file has an ETag, and a browser that has it gets 304."""
    response = await browser("/static/now.js")
    assert (response.status, response.content_type) == (200, "text/javascript")
    again = await browser("/static/now.js", **{"If-None-Match": response.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""
    assert again.headers["ETag"] == response.headers["ETag"]
    assert (await browser("/static/now.js", **{"If-None-Match": '"other"'})).status == 200


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2fpages.py", "%2e%2e/pages.py", "now.html", "style.css%00"]
)
async def test_no_other_file_is_given(browser, name):
    """Only the files read at the start are there."""
    assert (await browser(f"/static/{name}")).status == 404


async def test_pages_tell_where_devices_connect(browser, cookie, monkeypatch):
    """The port, and the computer's address in its network as it is at that moment."""
    monkeypatch.setattr(pages, "lan_address", lambda: "192.168.7.9")
    text = await (await browser("/docs", **cookie)).text()
    assert 'data-mqtt-port="1884"' in text
    assert 'data-lan="192.168.7.9"' in text


def keys_of(text):
    """The texts that a page or a script asks for by name."""
    return set(re.findall(r"\{\{([\w.-]+)\}\}", text)) | set(
        re.findall(r'\bt\(\s*"([\w./-]+)"', text)
    )


def test_every_language_is_complete():
    """Each has every text, with the same values in it, and none is left empty."""
    english = LANGUAGES["en"]
    assert next(iter(LANGUAGES)) == "en"
    assert "de" in LANGUAGES
    for name, words in LANGUAGES.items():
        assert words.keys() == english.keys(), name
        for key, text in words.items():
            assert text.strip(), (name, key)
            held = [sorted(set(re.findall(r"\{\w+\}", each))) for each in (text, english[key])]
            assert held[0] == held[1], (name, key)


def test_every_text_that_is_asked_for_is_there():
    """A key that is misspelt would be shown as it is. Plural forms count as their key."""
    known = set(LANGUAGES["en"])
    known |= {key.removesuffix(".other") for key in known if key.endswith(".other")}
    for name, text in (SCRIPTS | HTML).items():
        assert keys_of(text) <= known, name


def test_the_examples_are_those_of_the_repository():
    """The sketches that the Connect page fills in are the files of examples/, word for word."""
    found = files.static_files()
    for name, path in (
        ("esp8266.ino", "esp8266/esp8266.ino"),
        ("esp32.ino", "esp32/esp32.ino"),
        ("arduino_http.ino", "arduino_http/arduino_http.ino"),
        ("raspberry_pi.txt", "raspberry_pi.py"),
    ):
        assert found[name].body == (HERE.parents[1] / "examples" / path).read_bytes()


def test_the_chart_library_is_as_its_authors_made_it():
    """uPlot is minified by its authors, not formatted by us, and its licence lies beside it."""
    found = files.static_files()
    assert len(found["uplot.js"].body) < 52_000
    assert b"MIT" in found["uplot.LICENSE.txt"].body


def test_scripts_and_styles_are_small():
    """All of them together come to less than 150 KB over the wire."""
    found = files.static_files().items()
    sizes = [len(gzip.compress(f.body)) for name, f in found if name.endswith((".js", ".css"))]
    assert sum(sizes) < 150_000
