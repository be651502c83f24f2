"""History as files: CSV and lines of JSON, written page by page."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web
from msgspec import Raw, json

from gateway.bridges.http.compression import compress_stream
from gateway.errors import GatewayError
from gateway.frames import encode
from gateway.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from gateway.bridges.http.buckets import Bucket
    from gateway.frames import Frame
    from gateway.store.history import Function

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Form(NamedTuple):
    """How a file begins, and how each of its items stands in it."""

    media: str
    head: bytes
    lines: Callable[[Iterable[Any]], bytes]


async def send(
    request: web.Request, form: Form, name: str, pages: AsyncIterator[Iterable[Any]]
) -> web.StreamResponse:
    """Answer with a file; a page is read when the one before is on its way."""
    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="{name}"'})
    response.content_type = form.media
    response.charset = "utf-8"
    compress_stream(request, response)
    await response.prepare(request)
    await response.write(form.head)
    try:
        async for page in pages:
            await response.write(form.lines(page))
    except GatewayError as error:
        # The answer has begun: a file that ends early must not look whole.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(str(error)) from error
    await response.write_eof()
    return response


def frame_lines(frames: Iterable[Frame]) -> bytes:
    """Write frames as they are, one a line."""
    return b"".join(frame.json + b"\n" for frame in frames)


def frame_rows(frames: Iterable[Frame]) -> bytes:
    """Write frames as CSV (RFC 4180)."""
    return _rows(
        (
            f.seq,
            rfc3339(f.ts),
            f.ts,
            f.series.device,
            cell_of_text(f.series.channel),
            f.series.type,
            cell(f.value),
        )
        for f in frames
    )


FRAMES = {
    "ndjson": Form("application/x-ndjson", b"", frame_lines),
    "csv": Form("text/csv", b"seq,time,ts,device,channel,type,value\r\n", frame_rows),
}


def buckets(form: str, functions: Sequence[Function]) -> Form:
    """Return the form of a file of buckets."""
    if form == "ndjson":
        return Form(
            "application/x-ndjson",
            b"",
            lambda page: b"".join(encode(bucket) + b"\n" for bucket in page),
        )

    def rows(page: Iterable[Bucket]) -> bytes:
        return _rows(
            (rfc3339(b["ts"]), b["ts"], *(_aggregate(b[name]) for name in functions)) for b in page
        )

    return Form("text/csv", ",".join(("time", "ts", *functions)).encode() + b"\r\n", rows)


def _aggregate(value: Any) -> Any:
    return cell(bytes(value).decode()) if isinstance(value, Raw) else value


def cell(value: str) -> str:
    """Return a value's JSON text as a cell: a string without its quotes, anything else as it is."""
    return cell_of_text(json.decode(value)) if value.startswith('"') else value


def cell_of_text(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula, whoever sent it: with a ' before
    it, if need be.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows(rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()
