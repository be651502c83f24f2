"""The pages: the board, devices, connecting and what an admin looks at, and the way in."""

from __future__ import annotations

import html
from string import Template
from typing import TYPE_CHECKING, get_args

from aiohttp import hdrs, web

from gateway.access import links
from gateway.access.requests import COOKIE
from gateway.addresses import lan_address
from gateway.bridges.web import files, navigation
from gateway.errors import Unauthenticated
from gateway.store.registry import LinkKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.access.principal import Principal
    from gateway.access.registry import Registry
    from gateway.access.sign_in import SignIn
    from gateway.bridges.web.files import Words
    from gateway.bridges.web.navigation import Page
    from gateway.bridges.web.place import Place
    from gateway.shapes import Clock

_HEADERS = {
    # Scripts and styles come as files from here, and a page talks to nobody else.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # an address may hold a link that works once
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE_HEADERS = {**_HEADERS, "Cache-Control": "no-store"}
_FILE_HEADERS = {**_HEADERS, "Cache-Control": "no-cache"}  # ask each time whether it has changed
_ALL_KINDS: tuple[LinkKind, ...] = get_args(LinkKind)


class Pages:
    """Serves the pages. `place`: what they tell devices to connect to; `sign_up_open`: an account
    needs no invitation.

    `clock`: ms since 1970 UTC.
    """

    def __init__(
        self,
        registry: Registry,
        sign_in: SignIn,
        *,
        clock: Clock,
        place: Place,
        sign_up_open: bool = False,
    ) -> None:
        self._registry = registry
        self._sign_in = sign_in
        self._clock = clock
        self._sign_up_open = sign_up_open
        self._static = files.static_files()
        self._languages = files.languages()
        self._inside = {
            (page.path, language, admin): Template(self._page(page, language, place, admin=admin))
            for page in navigation.PAGES
            for language in self._languages
            for admin in {page.admin, True}
        }
        self._outside = {
            (name, language): _signed_out(name, language, words, sign_up_open=sign_up_open)
            for name in ("sign-in", "sign-up", "invited", "link", "used-link")
            for language, words in self._languages.items()
        }

    def _page(self, page: Page, language: str, place: Place, *, admin: bool) -> str:
        words = self._languages[language]
        return files.page(
            "layout",
            page.name,
            words,
            lang=language,
            nav=navigation.menu(page, words, admin=admin),
            languages=navigation.choices(self._languages),
            mqtt_port=str(place.mqtt),
            mqtts_port=str(place.mqtts or ""),
            url=html.escape(place.url),
            lan="$lan",  # looked up when the page is served
        )

    def routes(self) -> list[web.RouteDef]:
        """Return what the application serves; all of it is open, and pages lead strangers to the
        sign-in.
        """
        return [
            *(web.get(page.path, self._shows(page)) for page in navigation.PAGES),
            web.get("/sign-in", self.sign_in),
            web.get("/sign-up", self.sign_up),
            web.get("/static/{name}", self.static),
            *(web.get(path, _leads(to)) for path, to in navigation.OLD_ADDRESSES.items()),
        ]

    def _shows(self, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def show(request: web.Request) -> web.Response:
            who = self._signed_in(request)
            if who is None:
                return _go("/sign-in")
            if page.admin and not who.admin:
                raise web.HTTPNotFound
            found = self._inside[page.path, self._language(request), who.admin]
            return _html(found.substitute(lan=lan_address() or ""))

        return show

    async def sign_in(self, request: web.Request) -> web.Response:
        """Show the sign-in; with `link`, what that link is for.

        Looking uses nothing up: chat programs look at every link. The page's button asks the API to
        exchange it.
        """
        link = request.query.get("link")
        if link is None:
            return _go("/") if self._signed_in(request) else self._show(request, "sign-in")
        try:
            found = await self._registry.ask(links.find, link, self._clock(), *_ALL_KINDS)
        except Unauthenticated:
            return self._show(request, "used-link", 410)
        return self._show(request, "link" if found.kind == "sign-in" else "sign-up")

    async def sign_up(self, request: web.Request) -> web.Response:
        """Show the form for an account, or that one needs an invitation."""
        may = self._sign_up_open or "link" in request.query
        return self._show(request, "sign-up" if may else "invited")

    def _show(self, request: web.Request, name: str, status: int = 200) -> web.Response:
        return _html(self._outside[name, self._language(request)], status)

    async def static(self, request: web.Request) -> web.Response:
        """Give a script, a style, a picture or an example."""
        file = self._static.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        known = any(tag.value in {file.etag, "*"} for tag in request.if_none_match or ())
        response = (
            web.Response(status=304, headers=_FILE_HEADERS)
            if known
            else web.Response(
                body=file.body,
                content_type=file.content_type,
                charset="utf-8",
                headers=_FILE_HEADERS,
            )
        )
        response.etag = file.etag
        return response

    def _signed_in(self, request: web.Request) -> Principal | None:
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            return self._sign_in.cookie(cookie)
        except Unauthenticated:
            return None

    def _language(self, request: web.Request) -> str:
        """Return the language that was chosen in the page, or else the browser's first that there
        is.
        """
        chosen = request.cookies.get("language", "")
        accepted = request.headers.get(hdrs.ACCEPT_LANGUAGE, "")[:200].lower().split(",")
        for liked in (chosen, *(each.strip()[:2] for each in accepted)):
            if liked in self._languages:
                return liked
        return "en"


def _signed_out(name: str, language: str, words: Words, *, sign_up_open: bool) -> str:
    """Return a page for a stranger; the sign-in says how one gets an account."""
    ask = html.escape(words["sign-in.invited"])
    if sign_up_open:
        ask = (
            f"{html.escape(words['sign-in.none'])} <a "
            f'href="/sign-up">{html.escape(words["sign-in.make"])}</a>'
        )
    script = name not in {"invited", "used-link"}
    return files.page("signed-out", name, words, script=script, lang=language, sign_up=ask)


def _leads(to: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def lead(_: web.Request) -> web.StreamResponse:
        return _go(to)

    return lead


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=_PAGE_HEADERS)


def _go(to: str) -> web.Response:
    """Send the browser elsewhere (303: with a GET)."""
    return web.Response(status=303, headers={**_PAGE_HEADERS, hdrs.LOCATION: to})
