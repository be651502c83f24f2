"""aiohttp's protocol, with the gateway's words where a request cannot be read.

aiohttp would write a traceback into the log for each, with the bytes of a stranger in it, or of
whoever has a line break behind their token, and tell which versions run here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.bridges.http import answers
from gateway.bridges.http.middleware import add_headers

if TYPE_CHECKING:
    import asyncio

    from aiohttp.web_request import BaseRequest

log = logging.getLogger(__name__)

MOST_HEADERS = 64
LONGEST_FIELD = 8_190  # bytes of a header


class Requests(web.RequestHandler):
    """Reads the requests of one connection. `tls`: it is reached by HTTPS only."""

    __slots__ = ("_tls",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, *, tls: bool) -> None:
        super().__init__(server, loop=loop, access_log=None, max_headers=MOST_HEADERS)  # type: ignore[arg-type]
        self._tls = tls

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be read, without its bytes in the answer or in the log."""
        if status >= 500:
            log.error("an answer failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = answers.problem_of(status, *_SAID.get(status, _UNREADABLE))
        add_headers(response, tls=self._tls)
        response.force_close()
        return response


_UNREADABLE = ("invalid", "this is no HTTP request that can be read")
_SAID: dict[int, Any] = {
    500: ("internal", "something went wrong in the gateway; its log says what"),
}
