"""`gateway device`: devices and their keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import UNSET

from gateway.access import accounts, devices
from gateway.access.keys import Issued
from gateway.cli.administration import (
    changing,
    reading,
    show_line,
    show_record,
    show_secret,
    show_table,
    when,
)
from gateway.cli.app import WRONG, AsJson, ConfigFile, fail, show_json
from gateway.cli.exported import exported
from gateway.config.kinds import ConventionName
from gateway.frames import MAX_TS
from gateway.store.history import Span
from gateway.store.registry import Device, Style, Tables

if TYPE_CHECKING:
    from gateway.store.direct import Direct

STATUS = "status"  # the channel of presence

app = typer.Typer(help="Devices and their keys.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The device's id.")]
Owner = Annotated[
    str | None, typer.Option("--owner", metavar="EMAIL", help="The user it belongs to.")
]


@app.command()
def add(
    id_: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Its id; without one it is given one.")
    ] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    type_: Annotated[
        str, typer.Option("--type", help="Its type, which chooses its handlers.")
    ] = "",
    owner: Owner = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC_FILTER", help="Topics it may use beyond its own; repeatable."),
    ] = None,
    style: Annotated[
        Style, typer.Option(help="gateway, or iotcommunicate: what its clients expect.")
    ] = "gateway",
    key: Annotated[
        str | None, typer.Option(help="A key that its sketch has already, 15 signs at least.")
    ] = None,
    convention: Annotated[
        ConventionName | None,
        typer.Option(help="How it speaks, where it is not to be recognised by itself."),
    ] = None,
    root: Annotated[
        str, typer.Option(metavar="TOPIC", help="With --convention: where its topics begin.")
    ] = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Add a device and print its key, this once. Without --owner it belongs to the admins.

    Other users of this machine can read `--key` in its list of processes: `device import` reads
    keys from a file.
    """
    if root and convention is None:
        fail("--root goes with --convention", WRONG)
    with changing(config) as (tables, by):
        issued = devices.create(
            tables,
            by,
            id=id_,
            name=name,
            type=type_,
            owner=_owner(tables, owner),
            grants=allow or (),
            style=style,
            key=key,
            convention=convention or "",
            root=root,
        )
    _show_key(issued, as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What mongoexport wrote of the collection users.")],
    owner: Owner = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Add the devices of an IOTcommunicate server, with the ids and keys that they have.

    Each belongs to the user with the email of its owner there, if there is one, else to --owner.
    Devices that are here already are passed over.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}", WRONG)
    with changing(config) as (tables, by):
        owners = {user.email.casefold(): user.id for user in tables.users.all()}
        other = _owner(tables, owner)
        found = [(*one, tables.devices.get(one[1].id) is None) for one in exported(data)]
        for email, device, new in found:
            if new:
                whose = owners.get(email.casefold(), other)
                devices.create(
                    tables, by, id=device.id, key=device.key, owner=whose, style="iotcommunicate"
                )
    added = [device.id for _, device, new in found if new]
    if as_json:
        show_json({"added": added, "present": [d.id for _, d, new in found if not new]})
    else:
        show_line(f"{len(added)} devices are added, {len(found) - len(added)} were here already")


@app.command("list")
def list_(owner: Owner = None, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """List the devices, or those of one user."""
    with reading(config) as store:
        tables = store.tables
        only = _owner(tables, owner)
        found = [
            _described(tables, device)
            for device in tables.devices.all()
            if owner is None or device.owner == only
        ]
        seen = {each["id"]: _presence(store, each["id"]) for each in found}
    if as_json:
        for each in found:
            show_json(each)
        return
    columns = ("id", "name", "type", "owner", "topics", "disabled", "state")
    rows = [[*(each[column] for column in columns), *seen[each["id"]]] for each in found]
    show_table((*columns, "presence", "since (UTC)"), rows, nothing="no devices yet")


@app.command()
def show(device: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Show one device."""
    with reading(config) as store:
        tables = store.tables
        found = _described(tables, devices.find(tables, device))
    if as_json:
        show_json(found)
    else:
        show_record({**found, "created": when(found["created"])})


@app.command()
def change(
    device: Id,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Its type.")] = None,
    owner: Owner = None,
    no_owner: Annotated[bool, typer.Option("--no-owner", help="Give it to the admins.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Change a device's name, type or owner."""
    if owner and no_owner:
        fail("--owner and --no-owner exclude each other", WRONG)
    with changing(config) as (tables, by):
        given: dict[str, Any] = {"name": name, "type": type_, "owner": _owner(tables, owner)}
        given = {field: UNSET if value is None else value for field, value in given.items()}
        _done(
            tables,
            devices.change(
                tables, by, device, **{**given, **({"owner": None} if no_owner else {})}
            ),
            as_json,
        )


@app.command()
def remove(device: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Remove a device; its connections end within two seconds."""
    with changing(config) as (tables, by):
        devices.remove(tables, by, device)
    if as_json:
        show_json({"device": device})
    else:
        show_line(f"device {device} is removed")


@app.command("new-key")
def new_key(device: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Give a device a new key and print it, this once; the old one stops."""
    with changing(config) as (tables, by):
        issued = devices.replace_key(tables, by, device)
    _show_key(issued, as_json)


@app.command()
def disable(device: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Shut a device out until it is enabled."""
    with changing(config) as (tables, by):
        _done(tables, devices.change(tables, by, device, disabled=True), as_json)


@app.command()
def enable(device: Id, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Let a disabled device in again."""
    with changing(config) as (tables, by):
        _done(tables, devices.change(tables, by, device, disabled=False), as_json)


@app.command()
def grant(
    device: Id,
    filters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC_FILTER]...", help="Topics it may use beyond its own."),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Take back what was granted before.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Grant topics to a device; `--only` alone takes all grants back."""
    with changing(config) as (tables, by):
        before = () if only else devices.find(tables, device).grants
        granted = tuple(dict.fromkeys((*before, *(filters or ()))))
        _done(tables, devices.change(tables, by, device, grants=granted), as_json)


@app.command()
def approve(
    device: Id, owner: Owner = None, as_json: AsJson = False, config: ConfigFile = None
) -> None:
    """Let a device in that announced itself with the claim code."""
    with changing(config) as (tables, by):
        approved = devices.approve(tables, by, device, _owner(tables, owner))
        _done(tables, approved, as_json, "is approved")


def _owner(tables: "Tables", email: str | None) -> int | None:
    return None if email is None else accounts.find(tables, email).id


def _described(tables: "Tables", device: Device) -> dict[str, Any]:
    owner = None if device.owner is None else tables.users.get(device.owner)
    described = {**device.public(), "owner": owner.email if owner else None}
    described["topics"] = described.pop("grants")
    return described


def _show_key(issued: Issued[Device], as_json: bool) -> None:
    if as_json:
        show_json({"device": issued.record.id, "key": issued.secret})
    else:
        show_secret(f"key of device {issued.record.id}", issued.secret)


def _presence(store: "Direct", device: str) -> tuple[str, str]:
    """Say whether it is online, and since when; both empty where it was never here."""
    told = [number for number, kind, *_ in store.series(device, STATUS) if kind == "presence"]
    for _, _, ts, value, _ in store.by_time(told, Span(0, MAX_TS + 1), 1, newest_first=True):
        return value.strip('"'), when(ts)
    return "", ""


def _done(tables: "Tables", device: Device, as_json: bool, what: str = "is changed") -> None:
    if as_json:
        show_json(_described(tables, device))
    else:
        show_line(f"device {device.id} {what}")
