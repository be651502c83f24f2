"""What the pages are made of: HTML put together once a language, at the start, and static files
with their ETags.
"""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).parent
_TYPES = {
    ".css": "text/css",
    ".ino": "text/plain",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
}
_TEXT = re.compile(r"\{\{([\w.-]+)\}\}")

Words = dict[str, str]
"""What the pages say in one language, by key."""


class StaticFile(msgspec.Struct, frozen=True):
    """A file that a page loads. `etag`: of its content, without the quotes."""

    body: bytes
    content_type: str
    etag: str


def static_files() -> dict[str, StaticFile]:
    """Read all of them, by name: no request names a path. Some are links to examples/."""
    paths = sorted((_HERE / "static").iterdir())
    return {path.name: _static(path) for path in paths if path.suffix in _TYPES}


def _static(path: Path) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:20])


def languages() -> dict[str, Words]:
    """Return the words of every language there is a file for, English first."""
    found = {
        path.stem: msgspec.json.decode(path.read_bytes(), type=Words)
        for path in (_HERE / "static").glob("??.json")
    }
    return {name: found[name] for name in sorted(found, key=lambda name: (name != "en", name))}


def page(layout: str, name: str, words: Words, *, script: bool = True, **values: str) -> str:
    """Return `html/NAME.html` within `html/LAYOUT.html`, in the language of these words.

    It has the script of its name. `values` are HTML.
    """
    source = f'<script type="module" src="/static/{name}.js"></script>' if script else ""
    values |= {"title": html.escape(words[f"{name}.title"]), "script": source}
    values["content"] = _said(name, words, values)
    return _said(layout, words, values)


def _said(name: str, words: Words, values: Mapping[str, str]) -> str:
    text = (_HERE / "html" / f"{name}.html").read_text(encoding="utf-8")
    told = _TEXT.sub(lambda match: html.escape(words[match[1]]), text)
    return Template(told).substitute(values)
