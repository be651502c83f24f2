"""`gateway simulate`, and the devices of `gateway run --demo`."""

import asyncio
import contextlib
import re
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.access import accounts, devices, links
from gateway.cli.administration import changing, running
from gateway.cli.app import AsJson, ConfigFile, fail, out, show_json
from gateway.simulation import KINDS, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.daemon import Gateway
    from gateway.store.audit import By
    from gateway.store.registry import Device, Tables

DEMO_EMAIL = "demo@example.com"
DEMO = (("kitchen-demo", "room"), ("garden-demo", "garden"), ("door-demo", "door"))


def simulate_devices(
    count: Annotated[int, typer.Option("--devices", help="How many.", min=1, max=1_000)] = 3,
    every: Annotated[float, typer.Option(help="Seconds between readings.", min=0.01)] = 1.0,
    seconds: Annotated[
        float | None, typer.Option(help="Seconds after which it stops.", min=0.1)
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove those of earlier runs instead.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Run simulated devices against the running gateway, over real MQTT."""
    if remove:
        _remove(as_json, config)
        return
    where = running(config)
    if where is None or "mqtt" not in where.ports:
        fail(
            "no gateway with an MQTT port is running on this database: start it with `gateway run`"
        )
    named = [(f"sim-{number}", kind) for number, kind in enumerate(islice(cycle(KINDS), count), 1)]
    with changing(config) as (tables, by):
        keyed = keys(tables, by, named)
    if as_json:
        show_json({"devices": [device for device, _ in named], "every": every})
    else:
        out.print(f"{count} simulated devices publish every {every:g} s; stop with Ctrl-C")
    with contextlib.suppress(KeyboardInterrupt, TimeoutError):
        asyncio.run(_run(keyed, where.ports["mqtt"], every, seconds))


def _remove(as_json: bool, config: ConfigFile) -> None:
    """Remove the devices that this command has made; none of another name or type."""
    with changing(config) as (tables, by):
        made = [each.id for each in tables.devices.all() if _is_simulated(each)]
        for device in made:
            devices.remove(tables, by, device)
    if as_json:
        show_json({"devices": made})
    else:
        out.print(f"{len(made)} simulated devices are removed")


def _is_simulated(device: "Device") -> bool:
    return bool(re.fullmatch(r"sim-\d+", device.id)) and device.name == f"simulated {device.type}"


async def _run(
    keyed: "Sequence[tuple[str, str, str]]", port: int, every: float, seconds: float | None
) -> None:
    async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
        for device, key, kind in keyed:
            tasks.create_task(simulate(device, key, kind, port=port, every=every))


def keys(
    tables: "Tables", by: "By", named: "Sequence[tuple[str, str]]", owner: int | None = None
) -> list[tuple[str, str, str]]:
    """Make the devices that are not there, give each a new key; return device, key and kind."""
    keyed = []
    for device, kind in named:
        if tables.devices.get(device) is None:
            issued = devices.create(
                tables, by, id=device, name=f"simulated {kind}", type=kind, owner=owner
            )
        else:
            issued = devices.replace_key(tables, by, device)
        keyed.append((device, issued.secret, kind))
    return keyed


def demonstration(tables: "Tables", by: "By") -> tuple[str, list[tuple[str, str, str]]]:
    """Make the demo's account and devices; return a link that signs in once, and the devices with
    their keys.
    """
    user = next((user for user in tables.users.all() if user.email == DEMO_EMAIL), None)
    user = user or accounts.create(
        tables, by, email=DEMO_EMAIL, name="Demo", password=None, role="admin"
    )
    return links.sign_in(tables, by, user.id).secret, keys(tables, by, DEMO, user.id)


async def run_demo(gateway: "Gateway", keyed: "Sequence[tuple[str, str, str]]") -> None:
    """Let the demo's devices publish until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for device, key, kind in keyed:
            tasks.create_task(simulate(device, key, kind, port=gateway.ports["mqtt"], every=1.0))
