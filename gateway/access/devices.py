"""What can be done to devices: each function checks, writes and notes it in the audit, in the
caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from gateway.access import fields
from gateway.access.keys import Issued, digest, new_device_id, new_key
from gateway.errors import Conflict, NotFound, TooMany
from gateway.store.registry import Device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.store.audit import By
    from gateway.store.registry import Style, Tables

MOST_PENDING = 100
MOST_CHILDREN = 1000  # of a hub


def find(tables: Tables, device: str) -> Device:
    """Return a device or raise `NotFound`."""
    found = tables.devices.get(device)
    if found is None:
        raise NotFound(f"there is no device {device[:80]!r}")
    return found


def create(
    tables: Tables,
    by: By,
    *,
    id: str | None = None,
    name: str = "",
    type: str = "",
    owner: int | None = None,
    grants: Sequence[str] = (),
    style: Style = "gateway",
    key: str | None = None,
    keyless: bool = False,
    convention: str = "",
    root: str = "",
) -> Issued[Device]:
    """Add a device. Raises `Invalid` with the wrong fields, `Conflict` where the id is taken.

    `key`: one that it has already, as its sketch does. `keyless`: no key opens it, and it belongs
    to nobody.
    """
    id_ = id or new_device_id(style)
    fields.refuse(
        id=fields.device_id(id_),
        name=fields.text(name),
        type=fields.text(type),
        topics=fields.grants(grants),
        owner=_stranger(tables, owner),
        key=None if key is None else fields.key(key),
    )
    device = Device(
        id=id_,
        key_hash=b"",
        name=name,
        type=type,
        owner=owner,
        grants=tuple(grants),
        style=style,
        created=by.at,
    )
    issued = _insert(tables, by, "create", device, "" if keyless else key or new_key(style))
    if not convention:
        return issued
    record = recognise(tables, by, id_, convention, root)
    return msgspec.structs.replace(issued, record=record)


def change(
    tables: Tables,
    by: By,
    device: str,
    *,
    name: str | UnsetType = UNSET,
    type: str | UnsetType = UNSET,
    owner: int | UnsetType | None = UNSET,
    grants: Sequence[str] | UnsetType = UNSET,
    disabled: bool | UnsetType = UNSET,
) -> Device:
    """Change what is given. Raises `NotFound` or `Invalid`."""
    find(tables, device)
    fields.refuse(
        name=fields.text(name),
        type=fields.text(type),
        topics=fields.grants(grants),
        owner=_stranger(tables, owner),
    )
    all_ = {"name": name, "type": type, "owner": owner, "grants": grants, "disabled": disabled}
    given = {field: value for field, value in all_.items() if value is not UNSET}
    if given:
        tables.devices.update(device, **given)
        tables.note(by, "change", f"device:{device}", **given)
    if owner is not UNSET:
        for child in list(tables.devices.where(parent=device)):
            tables.devices.update(child.id, owner=owner)
    return find(tables, device)


def remove(tables: Tables, by: By, device: str) -> None:
    """Remove a device and its children; what they sent is hidden from later devices of those
    ids.
    """
    find(tables, device)
    for child in list(tables.devices.where(parent=device)):
        remove(tables, by, child.id)
    tables.abouts.delete(device)
    tables.devices.delete(device)
    tables.note(by, "remove", f"device:{device}")


def adopt(tables: Tables, by: By, hub: str, child: str, *, type: str = "") -> Device:
    """Add a device below a hub, or return the one that is there.

    Raises `Conflict` where the id is another's, `TooMany` where the hub has no room.
    """
    above, known = find(tables, hub), tables.devices.get(child)
    if known is not None and known.parent == hub:
        return known
    if known is not None:
        raise Conflict(f"{child!r} is the id of another device: {hub!r} cannot speak for it")
    fields.refuse(id=fields.device_id(child), type=fields.text(type))
    if sum(1 for _ in tables.devices.where(parent=hub)) >= MOST_CHILDREN:
        raise TooMany(f"{hub!r} has {MOST_CHILDREN} children already", retry_after=3600)
    device = Device(id=child, key_hash=b"", type=type, owner=above.owner, parent=hub, created=by.at)
    return _insert(tables, by, "adopt", device, "").record


def recognise(tables: Tables, by: By, device: str, convention: str, root: str) -> Device:
    """Note how a device speaks, and the root of its topics. Raises `Conflict` where the root is
    another's.
    """
    found = find(tables, device)
    if root and any(other.id != device for other in tables.devices.where(root=root)):
        raise Conflict(f"the topics below {root!r} are another device's")
    if (found.convention, found.root) != (convention, root):
        tables.devices.update(device, convention=convention, root=root)
        tables.note(by, "recognise", f"device:{device}", convention=convention, root=root)
    return find(tables, device)


def replace_key(tables: Tables, by: By, device: str) -> Issued[Device]:
    """Give a device a new key; the old one stops at once."""
    found = find(tables, device)
    if found.parent is not None:
        raise Conflict(f"{device!r} has no key: its hub {found.parent!r} speaks for it")
    key = new_key(found.style)
    tables.devices.update(device, key_hash=digest(key))
    tables.note(by, "new key", f"device:{device}")
    return Issued(find(tables, device), key)


def announce(tables: Tables, by: By, *, name: str = "", type: str = "") -> Issued[Device]:
    """Add a device that claims to be new; it can do nothing until it is approved. Raises
    `TooMany`.
    """
    fields.refuse(name=fields.text(name), type=fields.text(type))
    if sum(1 for _ in tables.devices.where(state="pending")) >= MOST_PENDING:
        raise TooMany("too many boards wait for approval", retry_after=60)
    device = Device(
        id=new_device_id(), key_hash=b"", name=name, type=type, state="pending", created=by.at
    )
    return _insert(tables, by, "announce", device, new_key())


def approve(tables: Tables, by: By, device: str, owner: int | None) -> Device:
    """Let a device in that announced itself, as this user's. Raises `Conflict` where it does not
    wait.
    """
    if find(tables, device).state != "pending":
        raise Conflict(f"the device {device!r} does not wait for approval")
    fields.refuse(owner=_stranger(tables, owner))
    tables.devices.update(device, state="active", owner=owner)
    tables.note(by, "approve", f"device:{device}", owner=owner)
    return find(tables, device)


def _insert(tables: Tables, by: By, action: str, device: Device, key: str) -> Issued[Device]:
    if tables.devices.get(device.id) is not None:
        raise Conflict(f"there is a device {device.id!r} already", fields={"id": "exists already"})
    key_hash = digest(key) if key else b""
    device = tables.devices.insert(msgspec.structs.replace(device, key_hash=key_hash))
    tables.note(by, action, f"device:{device.id}", owner=device.owner, type=device.type)
    return Issued(device, key)


def _stranger(tables: Tables, owner: int | UnsetType | None) -> str | None:
    """Say that a new owner is no user; SQLite has no number as large as some that are sent."""
    known = (
        owner is UNSET
        or owner is None
        or (0 < owner < 2**63 and tables.users.get(owner) is not None)
    )
    return None if known else "no such user"
