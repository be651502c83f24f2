"""Answers compressed, where the client takes that and there is enough to gain."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web_response import StreamResponse

LEAST = 4_096  # bytes of an answer; a key or a token is never in one that long
LEVEL = 5
MEDIA = frozenset({"application/json", "text/plain"})  # of whole answers
_GZIP = re.compile(
    r"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)", re.IGNORECASE
)


async def compress(request: web.Request, response: StreamResponse) -> None:
    """Compress a whole answer before it is sent; aiohttp has written its headers by now."""
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(response, web.Response) or not isinstance(body, bytes):
        return
    if len(body) < LEAST or response.content_type not in MEDIA:
        return
    if _takes(request, response):
        response.body = packed = await asyncio.to_thread(gzip.compress, body, LEVEL)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(packed))


def compress_stream(request: web.Request, response: StreamResponse) -> None:
    """Compress an answer that is written page by page; called before it is prepared."""
    if _takes(request, response) and request.method != "HEAD":
        response.enable_compression(web.ContentCoding.gzip)


def _takes(request: web.Request, response: StreamResponse) -> bool:
    """Tell whether the client takes gzip, and caches that it depends on that."""
    response.headers.add("Vary", "Accept-Encoding")
    return _GZIP.search(request.headers.get("Accept-Encoding", "")) is not None
