"""The audit: who did what to what, from where, when."""

from __future__ import annotations

from typing import Any

import msgspec


class By(msgspec.Struct, frozen=True):
    """Who does something: a principal's key or `command line`, the address it comes from, and when
    (ms).
    """

    actor: str
    address: str
    at: int


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit. `object`: `device:kitchen`, `user:7`, ...; `detail` never holds a
    secret.
    """

    at: int
    actor: str
    action: str
    object: str = ""
    address: str = ""
    detail: dict[str, Any] = {}


class Entry(Deed, frozen=True, kw_only=True):
    """A deed as it was read back, with its number."""

    id: int
