"""The pages in a real browser, on a real gateway: what a person does, and what they then see."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from gateway.access import accounts, devices, links
from gateway.store.audit import By
from tests.bridges.web.conftest import signed_in
from tests.browser import DESKTOP, PHONE, Tab, browsing
from tests.end_to_end.conftest import BY, house, running
from tests.programs import NODE_MODULES, needs_chromium, package

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.end_to_end.conftest import House

pytestmark = needs_chromium
NAME = "<img src=x onerror=\"document.title='markup'\">"
LATER = 10**13  # ms since 1970
PAGES = {  # what is there once a page has what it shows
    "/": ".channel .value",
    "/devices": "#list li",
    "/devices/kitchen": ".chart .figures div",
    "/docs": "#from pre",
    "/rejected": "#empty:not([hidden])",
    "/tokens": "#list li",
    "/users": "#list li",
    "/audit": "#list tr",
    "/system": "#metrics tr",
    "/account": "#who:not(:empty)",
    "/sign-up?link=x": "#sign-up",
    "/sign-up": ".button",
    "/sign-in": "main",
}


async def tab_of(browser: Browser, home: House, **options) -> Tab:
    """A tab in which the admin has signed in."""
    context = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB"} | options)
    await context.add_cookies(await signed_in(home))
    return Tab(await context.new_page())


async def report(url: str, key: str, **values) -> None:
    """Post telemetry as the kitchen."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/api/v1/devices/kitchen/telemetry", json=values) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_the_board(tmp_path):
    """A one-time link signs in, values appear as they are sent, and go on after the gateway has
    been away.
    """
    async with browsing() as tab:
        page = tab.page
        async with house(tmp_path) as home:
            key = await home.add("kitchen", name=NAME, owner=1)
            by = By("test", "", LATER)
            link = await home.gateway.access.registry.apply(links.sign_in, by, 1)
            await page.goto(f"{home.url}/sign-in?link={link.secret}")
            await page.click("#link button:enabled")
            await tab.until("location.pathname === '/' && document.body.dataset.link === 'live'")
            assert NAME in await page.text_content(".card h2")

            await report(home.url, key, temperature=21.5, note="<b>bold</b>", counter=3735928559)
            await page.get_by_text("21.5", exact=True).wait_for()
            await page.get_by_text("<b>bold</b>", exact=True).wait_for()
            assert await page.get_by_text("3735928559").get_attribute("title") == "3735928559"
            await report(home.url, key, temperature=22.246000000000002)
            shown = page.get_by_text("22.246", exact=True)
            assert await shown.get_attribute("title") == "22.246000000000002"
            await tab.until("document.querySelector('.spark .line').getAttribute('d')[0] === 'M'")
            await page.wait_for_selector(".card[data-online=online]")
            port = home.gateway.ports["http"]
        await tab.until("document.body.dataset.link === 'lost'")
        listen = {"host": "127.0.0.1", "port": port}
        async with running(tmp_path, http=listen) as gateway:
            await tab.until("document.body.dataset.link === 'live'")
            await report(f"http://127.0.0.1:{gateway.ports['http']}", key, temperature=23.5)
            await page.get_by_text("23.5", exact=True).wait_for()
        assert await page.locator(".card").count() == 1
        assert await page.title() == "Now · Gateway"
        assert tab.complaints == []


async def test_a_command_and_its_fate(home, browser):
    """A device that has it and does not answer: the page says delivered, and then the reply."""
    tab = await tab_of(browser, home)
    device = await home.device("kitchen", subscribe="devices/kitchen/commands/#")
    page = tab.page
    await page.goto(home.url)
    await page.click(".card summary")
    await page.fill(".card [name=name]", "led")
    await page.fill(".card [name=value]", "1")
    await page.click(".card form button")
    await page.wait_for_selector(".card [data-fate=delivered]")
    assert (await device.message()).payload == b"1"
    await device.publish("devices/kitchen/replies/led", '"lit"')
    await page.get_by_text("Reply: lit").wait_for()
    assert tab.complaints == []


async def test_the_first_value(home, browser):
    """The Connect page has a tab for every entrance, waits for a value, says why one was rejected,
    and that one has come.
    """
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/docs?device=kitchen")
    for name, part in (
        ("iot.io", 'IoTClient("kitchen"'),
        ("IOTcommunicate", "/ws?device=kitchen&key=KEY&side=device"),
        ("Things", "/things/post/kitchen?key=KEY&s0=1.5"),
        ("ESP8266", '#define DEVICE_ID "kitchen"'),
    ):
        await page.get_by_role("tab", name=name).click()
        await page.locator("#from-panel", has_text=part).wait_for()
    text = await page.inner_text("main")
    assert "localhost" not in text
    assert "127.0.0.1" not in text
    device = await home.device("kitchen")
    await page.wait_for_selector("#first[data-state=connected]")
    await device.publish("devices/kitchen/telemetry", '{"temperature":nan}')
    await page.wait_for_selector("#first[data-state=rejected]")
    await device.publish("devices/kitchen/telemetry", '{"temperature":21.4}')
    await page.wait_for_selector("#first[data-state=there]")
    assert await page.get_by_role("link", name="Open the device").is_visible()
    assert tab.complaints == []


async def test_a_device_of_another_style(home, browser):
    """A user of IOTcommunicate makes a device in the page: an id of 20 and a key of 15, which the
    Connect page of this tab has filled in.
    """
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/devices#new")
    await page.select_option("#new [name=style]", "iotcommunicate")
    await page.click("#new .primary")
    await page.wait_for_selector("#key[open]")
    id_, key = await page.text_content("#key-id"), await page.text_content("#key-text")
    assert (len(id_), len(key)) == (20, 15)
    await page.click("#key-docs")
    await page.get_by_role("tab", name="IOTcommunicate").click()
    await page.locator("#from-panel", has_text=f"device={id_}&key={key}").wait_for()
    assert tab.complaints == []


async def test_removing_asks_first(home, browser):
    """Cancel leaves the device; the button of the question removes it."""
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/devices")
    for button, left in (("Cancel", 1), ("Remove", 0)):
        await page.get_by_role("button", name="Remove: kitchen").click()
        await page.locator("dialog[open]").get_by_role("button", name=button).click()
        await tab.until(f"document.querySelectorAll('#list li').length === {left}")
    assert await page.locator("dialog[open]").count() == 0
    assert tab.complaints == []


async def test_theme_and_language(home, browser):
    """Both are kept: the page comes up in them at once."""
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/devices")
    await page.select_option("#theme", "dark")
    await page.select_option("#language", "de")
    await page.get_by_role("heading", name="Geräte").wait_for()
    await page.reload()
    style = "getComputedStyle(document.documentElement).colorScheme"
    assert await page.evaluate(style) == "dark"
    assert await page.get_attribute("html", "lang") == "de"
    assert tab.complaints == []


async def test_the_page_of_a_device(home, browser):
    """Values, charts and what happened, live; the window of time is in the address and comes back
    from there; a control follows its channel.
    """
    key, name = home.keys["kitchen"], "soil/moisture"
    await report(home.url, key, **{name: 40, "note": "<b>bold</b>", "on": True})
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/devices/kitchen")
    await page.get_by_role("heading", name="Kitchen window").wait_for()
    await page.get_by_text("<b>bold</b>", exact=True).wait_for()
    chart = page.locator(".chart", has_text=name)
    await chart.locator(".figures", has_text="Last40").wait_for()
    await report(home.url, key, **{name: 44})
    await chart.locator(".figures", has_text="Last44").wait_for()
    await page.locator("#log", has_text="Online").wait_for()
    for button, part in (("24 h", "range=24h"), ("1 h", "range=1h")):
        await page.get_by_role("button", name=button, exact=True).click()
        await tab.until(f"location.search.includes('{part}')")
    await chart.locator(".plot").focus()
    await page.keyboard.press("+")
    await tab.until("location.search.includes('from=')")
    await page.reload()
    await chart.locator(".figures", has_text="Max44").wait_for()
    assert await page.get_by_role("button", name="Live").get_attribute("aria-pressed") == "false"
    await page.keyboard.press("Escape")
    await chart.get_by_role("button", name="Table").click()
    assert await chart.locator("tbody tr").count() > 0
    await page.locator(".reading", has_text="on").locator("button").first.click()
    await page.locator(".chart").nth(1).wait_for()
    csv = await chart.locator("[data-format=csv]").get_attribute("href")
    async with home.http.get(home.url + csv) as answer:
        assert "soil/moisture" in await answer.text()
    assert tab.complaints == []


async def test_a_chart_is_zoomed_with_the_pointer(home, browser):
    """A stretch that is marked becomes the window of every chart, and a double click goes back."""
    await report(home.url, home.keys["kitchen"], a=1, b=2)
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/devices/kitchen?range=1h")
    await page.locator(".chart .figures div").nth(4).wait_for()
    over = page.locator(".u-over").first
    box = await over.bounding_box()
    at = box["y"] + box["height"] / 2
    await page.mouse.move(box["x"] + 100, at)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 300, at, steps=5)
    await page.mouse.up()
    await tab.until("location.search.includes('from=')")
    asked = parse_qs(urlsplit(page.url).query)
    shown = int(asked["to"][0]) - int(asked["from"][0])
    assert abs(shown - 3_600_000 * 200 / box["width"]) < 60_000
    await over.dblclick()
    await tab.until("location.search.includes('range=1h')")
    await page.mouse.wheel(0, -200)
    await tab.until("location.search.includes('from=')")
    assert tab.complaints == []


async def test_odd_names_and_values_break_nothing(home, browser):
    """Right to left, emoji, markup, 200 signs, 200 KB and a thousand channels, on a phone."""
    odd = {
        "حرارة": 21,
        "🌡 x": 1,
        "<b>n</b>": 2,
        "x" * 200: 3,
        "text": "long " * 40_000,
        "o": {"a": [1]},
    }
    await report(home.url, home.keys["kitchen"], **odd, big=12345678901234567, yes=True, no=None)
    await report(home.url, home.keys["kitchen"], **{f"c{n}": n for n in range(990)})
    tab = await tab_of(browser, home, viewport=PHONE)
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    for path, shown in (("/", ".card .more"), ("/devices/kitchen", ".reading:nth-child(999)")):
        await tab.page.goto(f"{home.url}{path}")
        await tab.page.wait_for_selector(shown, state="attached")
        assert await tab.page.evaluate(wide), path
    assert (
        await tab.page.get_attribute(".reading .value[title^='1234']", "title")
        == "12345678901234567"
    )
    assert tab.complaints == []


async def test_a_device_that_is_not_there(home, browser):
    """The page says so in the API's words, and goes on working."""
    tab = await tab_of(browser, home)
    await tab.page.goto(f"{home.url}/devices/nowhere")
    await tab.page.wait_for_selector("#problem:not([hidden])")
    assert "nowhere" in await tab.page.inner_text("#problem")
    assert tab.complaints == []


async def test_what_an_admin_does(home, browser):
    """A board that announced itself is approved and given to a member; somebody is invited; what
    was rejected and what was done can be read.
    """
    registry = home.gateway.access.registry
    await registry.apply(accounts.create, BY, email="bob@example.org", password=None)
    board = await registry.apply(devices.announce, BY, name="New board")
    tab = await tab_of(browser, home)
    page = tab.page
    await page.goto(f"{home.url}/devices")
    await page.get_by_role("button", name=f"Approve: {board.record.id}").click()
    await page.get_by_role("button", name=f"Edit: {board.record.id}").click()
    await page.select_option("#edit [name=owner]", label="bob@example.org")
    await page.click("#edit .primary")
    await page.locator("#list li", has_text="New board").filter(has_text="of bob@").wait_for()

    await page.goto(f"{home.url}/users")
    await (
        page.locator("#list li", has_text="bob@example.org").filter(has_text="1 device").wait_for()
    )
    await page.click("[data-open=invite]")
    await page.click("#invite .primary")
    await page.locator("#invitation-until", has_text="It works once, until").wait_for()
    link = await page.text_content("#invitation-text")
    assert await (await page.request.get(link)).text() != ""
    assert "/sign-in?link=" in link

    device = await home.device("kitchen")
    await device.publish("devices/kitchen/telemetry", '{"temperature":nan}')
    await page.goto(f"{home.url}/rejected")
    await page.locator("#list li", has_text="not valid JSON").filter(has_text=":nan}").wait_for()
    await page.goto(f"{home.url}/audit")
    await page.fill("#find", "approve")
    await page.locator("#list tr:visible", has_text=board.record.id).first.wait_for()
    assert tab.complaints == []


@package("axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_pages_are_accessible(home, browser, scheme, size):
    """axe-core finds nothing on any page, and no page is wider than the screen."""
    await report(home.url, home.keys["kitchen"], temperature=21.5, note="x" * 300, **{"a/b": {}})
    tab = await tab_of(browser, home, viewport=size, color_scheme=scheme)
    axe = (NODE_MODULES / "axe-core/axe.min.js").read_text("utf-8")
    for path, shown in PAGES.items():
        await tab.page.goto(f"{home.url}{path}")
        await tab.page.wait_for_selector(shown)
        await tab.page.evaluate(axe)
        found = await tab.page.evaluate("axe.run().then(({violations}) => violations)")
        told = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found]
        assert told == [], path
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await tab.page.evaluate(wide), path
    assert tab.complaints == []
