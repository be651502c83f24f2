"""What is said of devices: each function checks it and writes it, in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.about import edited
from gateway.access.devices import find
from gateway.store.registry import About

if TYPE_CHECKING:
    from gateway.about import About as Said
    from gateway.store.audit import By
    from gateway.store.registry import Tables


def edit(tables: Tables, by: By, device: str, patch: Any) -> About:
    """Apply a person's JSON merge patch (RFC 7396). Raises `NotFound`, or `Invalid` for a field."""
    record = _find(tables, device)
    record = _put(tables, msgspec.structs.replace(record, edits=edited(record.edits, patch)))
    tables.note(by, "edit", f"device:{device}", about=sorted(patch))
    return record


def drop_edits(tables: Tables, by: By, device: str) -> About:
    """Take back all that persons have set. Raises `NotFound`."""
    record = _put(tables, msgspec.structs.replace(_find(tables, device), edits={}))
    tables.note(by, "edit", f"device:{device}", about=[])
    return record


def announce(tables: Tables, _by: By, device: str, said: Said) -> About:
    """Take what a device says of itself. Raises `NotFound`."""
    return _put(tables, msgspec.structs.replace(_find(tables, device), said=said))


def describe(tables: Tables, _by: By, device: str, known: Said) -> About:
    """Take what a device's convention knows of it. Raises `NotFound`."""
    return _put(tables, msgspec.structs.replace(_find(tables, device), known=known))


def _find(tables: Tables, device: str) -> About:
    return tables.abouts.get(find(tables, device).id) or About(id=device)


def _put(tables: Tables, record: About) -> About:
    before = tables.abouts.get(record.id)
    if before is None:
        tables.abouts.insert(record)
    elif before != record:
        tables.abouts.update(record.id, known=record.known, said=record.said, edits=record.edits)
    return record
