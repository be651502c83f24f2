"""Texts that SQLite cannot store, made storable: the one place that every statement passes.

UTF-8 has no lone surrogates, but what comes from outside may hold them: in a form of an odd
charset, in a header, in JSON that a lenient parser read.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def storable(value: Any) -> Any:
    """Return a value with U+FFFD in place of every lone surrogate of its texts."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list | tuple):
        return tuple(map(storable, value))
    if isinstance(value, dict):
        return {storable(key): storable(one) for key, one in value.items()}
    return value


class Connection(sqlite3.Connection):
    """A connection that takes any text as a parameter, and says of a number that it is too
    large.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeEncodeError:
            return super().execute(sql, storable(parameters))
        except OverflowError as error:
            raise sqlite3.DataError(str(error)) from error

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        try:
            return super().executemany(sql, map(storable, parameters))
        except OverflowError as error:
            raise sqlite3.DataError(str(error)) from error
