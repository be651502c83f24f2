"""The pages: now, devices, tokens, connecting, account, and the doors: signing in and up, by
password or by link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from aiohttp import hdrs, web

from gateway.access import links
from gateway.access.requests import COOKIE
from gateway.bridges.web import files
from gateway.errors import Unauthenticated
from gateway.store.registry import LinkKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.access.sign_in import SignIn
    from gateway.store.sqlite.database import Database

ROOMS = {"/": ("now", "Now"), "/devices": ("devices", "Devices"), "/tokens": ("tokens", "Tokens"),
         "/docs": ("docs", "Connect"), "/account": ("account", "Account")}  # fmt: skip

_HEADERS = {
    # Scripts and styles come as files from here, and a page talks to nobody else.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # an address may hold a link that works once
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE_HEADERS = {**_HEADERS, "Cache-Control": "no-store"}
_FILE_HEADERS = {**_HEADERS, "Cache-Control": "no-cache"}  # ask each time whether it has changed
_ALL_KINDS: tuple[LinkKind, ...] = get_args(LinkKind)
_NO_ACCOUNT = {
    True: 'No account yet? <a href="/sign-up">Make one</a>.',
    False: "No account yet? Ask the gateway’s admin for an invitation.",
}


class Pages:
    """Serves the pages. `mqtt_port`: what they tell devices to connect to; `sign_up_open`: without
    invitation too.

    `clock`: ms since 1970 UTC.
    """

    def __init__(
        self,
        database: Database,
        sign_in: SignIn,
        *,
        clock: Callable[[], int],
        mqtt_port: int,
        sign_up_open: bool = False,
    ) -> None:
        self._database = database
        self._sign_in = sign_in
        self._clock = clock
        self._sign_up_open = sign_up_open
        self._static = files.static_files()
        port = str(mqtt_port)
        self._rooms = {
            path: files.page("room", *names, mqtt_port=port) for path, names in ROOMS.items()
        }
        self._door = files.page("door", "sign-in", "Sign in", sign_up=_NO_ACCOUNT[sign_up_open])
        self._sign_up = files.page("door", "sign-up", "Make an account")
        self._invited = files.page("door", "invited", "By invitation", script=False)
        self._link = files.page("door", "link", "Welcome")
        self._spent = files.page("door", "spent", "This link is spent", script=False)

    def routes(self) -> list[web.RouteDef]:
        """Return what the application is to serve; all of it is open, and rooms lead strangers to
        the door.
        """
        return [
            *(web.get(path, self.room) for path in ROOMS),
            web.get("/sign-in", self.sign_in),
            web.get("/sign-up", self.sign_up),
            web.get("/static/{name}", self.static),
        ]

    async def room(self, request: web.Request) -> web.Response:
        """Show a page to who is signed in, and the door to others."""
        if not self._signed_in(request):
            return _go("/sign-in")
        return _html(self._rooms[request.path])

    async def sign_in(self, request: web.Request) -> web.Response:
        """Show the door; with `link`, what that link is for.

        Looking uses nothing up: chat programs look at every link. The page's button asks the API to
        exchange it.
        """
        link = request.query.get("link")
        if link is None:
            return _go("/") if self._signed_in(request) else _html(self._door)
        try:
            found = await self._database.read(
                lambda db: links.find(db, link, self._clock(), *_ALL_KINDS)
            )
        except Unauthenticated:
            return _html(self._spent, 410)
        if found.kind == "sign-in":
            return _html(self._link)
        return _html(self._sign_up)

    async def sign_up(self, request: web.Request) -> web.Response:
        """Show the form for an account, or that one needs an invitation."""
        return _html(
            self._sign_up if self._sign_up_open or "link" in request.query else self._invited
        )

    async def static(self, request: web.Request) -> web.Response:
        """Give a script, a style or the icon."""
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

    def _signed_in(self, request: web.Request) -> bool:
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return False
        try:
            self._sign_in.cookie(cookie)
        except Unauthenticated:
            return False
        return True


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=_PAGE_HEADERS)


def _go(to: str) -> web.Response:
    """Send the browser elsewhere (303: with a GET)."""
    return web.Response(status=303, headers={**_PAGE_HEADERS, hdrs.LOCATION: to})
