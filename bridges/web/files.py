"""What the pages are made of: HTML put together once, at the start, and static files with their
ETags.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from string import Template

import msgspec

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class StaticFile(msgspec.Struct, frozen=True):
    """A file that a page loads. `etag`: of its content, without the quotes."""

    body: bytes
    content_type: str
    etag: str


def static_files() -> dict[str, StaticFile]:
    """Read all of them, by name: a few dozen kilobytes, and no request names a path."""
    return {
        path.name: _static(path)
        for path in sorted((_HERE / "static").iterdir())
        if path.suffix in _TYPES
    }


def _static(path: Path) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:20])


def page(frame: str, name: str, title: str, *, script: bool = True, **values: str) -> str:
    """Return a page: `html/NAME.html` within `html/FRAME.html`, with the script of that name.
    `values` are HTML.
    """
    source = f'<script type="module" src="/static/{name}.js"></script>' if script else ""
    content = Template(_read(name)).substitute(values)
    return Template(_read(frame)).substitute(values, title=title, script=source, content=content)


def _read(name: str) -> str:
    return (_HERE / "html" / f"{name}.html").read_text(encoding="utf-8")
