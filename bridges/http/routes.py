"""Routes: one table that makes the application, its documentation, and the test that compares the
two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API = "/api/v1"
BODY = web.RequestKey("body", bytes)  # that of a request to a route with a `body`, in full


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A method and a path, who answers, and what is said about it.

    `query`, `body`, `answer`: structs that describe what is sent and what comes back; `answer` may
    be a JSON schema. What a route with a `body` was sent is `request[BODY]`, read before its
    handler is called. `also`: other statuses and when they come. `media`: other content types of
    the answer. `headers`: those of the request that matter, and what they do. `open`: no sign-in at
    the door. `lasting`: the answer goes on until one side ends it.
    """

    method: str
    path: str
    handler: Any  # Handler; msgspec looks at annotations
    summary: str
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | dict[str, Any] | None = None
    answer: type[msgspec.Struct] | dict[str, Any] | None = None
    status: int = 200
    also: dict[int, str] = {}
    media: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    open: bool = False
    lasting: bool = False

    @property
    def name(self) -> str:
        """`get_devices_id_latest`, for the documentation."""
        words = (
            self.template.removeprefix(API)
            .replace("{", "")
            .replace("}", "")
            .replace(".", "_")
            .split("/")
        )
        return "_".join((self.method.lower(), *filter(None, words)))

    @property
    def template(self) -> str:
        """The path as OpenAPI has it: `/devices/{id}/telemetry/{channel}`."""
        return self.path.replace(":.+}", "}")
