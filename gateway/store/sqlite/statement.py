"""A fact in the terms of SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Statement: TypeAlias = tuple[str, tuple[Any, ...]]
"""SQL and its parameters."""

Translate: TypeAlias = Callable[[Any], Iterable[Statement]]
"""Turns a fact into what keeps it."""
