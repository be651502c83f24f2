"""`gateway run` and `gateway check`: the daemon, in the foreground."""

import asyncio
import errno
import gc
import logging
import os
import re
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

import gateway.config as configuration
from gateway.access import links
from gateway.cli import simulate
from gateway.cli.app import (
    REFUSED,
    WRONG,
    AsJson,
    ConfigFile,
    configured,
    err,
    fail,
    out,
    show_json,
)
from gateway.cli.concerns import concerns
from gateway.clock import now_ms
from gateway.config.load import DEFAULT
from gateway.errors import GatewayError, Invalid
from gateway.logs import Form, announce, set_up
from gateway.store.audit import By

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.daemon import Gateway

COLLECT = (50_000, 20, 100)
log = logging.getLogger("gateway")


def run(
    config: ConfigFile = None,
    demo: Annotated[bool, typer.Option("--demo", help="Also start simulated devices.")] = False,
) -> None:
    """Run the gateway in the foreground until SIGINT or SIGTERM."""
    settings = configured(config)
    for problem in _semantic_problems(settings, config):
        fail(problem, WRONG)
    set_up(settings.log.level, settings.log.format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, config, demo=demo))
    except Invalid as error:
        fail(f"{config or DEFAULT}: {error}", WRONG)
    except (GatewayError, OSError) as error:
        fail(_sentence(error, settings), REFUSED)


async def _serve(settings: configuration.Config, config: "Path | None", *, demo: bool) -> None:
    from gateway.daemon import started

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with started(settings) as gateway, AsyncExitStack() as beside:
        _collect_rarely()
        loop.add_signal_handler(signal.SIGHUP, _reload, gateway, settings, config)
        keyed = await _greet(gateway, settings.log.format, demo=demo)
        if keyed:
            demonstration = ("demo", simulate.run_demo(gateway, keyed))
            await beside.enter_async_context(gateway.tasks.beside(demonstration))
        await _until(stopping, gateway)
        log.info("stopping")


def _reload(gateway: "Gateway", settings: configuration.Config, config: "Path | None") -> None:
    """Let the gateway read anew what it can, and say what else has changed in the config file."""
    from gateway.root.tables import rules

    gateway.reload()
    try:
        now = configuration.load(config, os.environ)
        rules(now)
    except (configuration.ConfigError, Invalid) as error:
        log.error("a restart would fail: %s", error)
        return
    changed = [
        name for name in now.__struct_fields__ if getattr(now, name) != getattr(settings, name)
    ]
    if changed:
        tables = ", ".join(f"[{name}]" for name in changed)
        log.warning("%s: %s changed; that takes effect at a restart", config or DEFAULT, tables)


def _collect_rarely() -> None:
    """Run the garbage collector rarely: message objects are not in cycles.

    A message's objects live until its batch is committed and are in no cycle: looking through all
    that wait, every 700 allocations, cost a quarter of the path. What was made at the start stays
    for good and is not looked through.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


async def _greet(gateway: "Gateway", form: Form, *, demo: bool) -> list[tuple[str, str, str]]:
    """Say where it listens and how to begin; return the demo's devices, if they are wanted."""
    keyed: list[tuple[str, str, str]] = []
    by = By("gateway", "", now_ms())
    ports = ", ".join(f"{name} {port}" for name, port in gateway.ports.items())
    here = "" if gateway.url == gateway.public_url else f", on this machine {gateway.url}"
    announce(f"gateway is running: {gateway.public_url}{here}  ({ports})", form)
    address = f"{gateway.public_url}/sign-in?link="
    if demo:
        link, keyed = await gateway.access.registry.apply(simulate.demonstration, by)
        announce("Simulated devices are publishing. Sign in with this link, once:", form)
        announce(f"  {address}{link}", form)
    elif not any(user.role == "admin" for user in gateway.access.registry.users.values()):
        issued = await gateway.access.registry.apply(links.first_admin, by)
        announce("No admin yet. This link makes the admin, once:", form)
        announce(f"  {address}{issued.secret}", form)
    return keyed


async def _until(stopping: asyncio.Event, gateway: "Gateway") -> None:
    """Return when a signal came; raise what a part has failed with."""
    waiting = [asyncio.create_task(stopping.wait()), asyncio.create_task(gateway.wait())]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


def check(
    config: ConfigFile = None,
    as_json: AsJson = False,
    database: Annotated[
        bool, typer.Option("--database", help="Read the whole database, and say what is damaged.")
    ] = False,
) -> None:
    """Check the config file and print every problem in it; exit status 2 if there is one."""
    file = config or DEFAULT
    try:
        settings = configuration.load(config, os.environ)
        problems = [*_semantic_problems(settings, config), *_concerns(settings, config)]
    except configuration.ConfigError as error:
        problems = error.problems
    damage = _damage(config) if database and not problems else []
    if as_json:
        show_json({"problems": [*problems, *damage]})
    for problem in () if as_json else (*problems, *damage):
        err.print(problem, markup=False)
    if problems:
        raise typer.Exit(WRONG)
    if damage:
        raise typer.Exit(REFUSED)
    if not as_json:
        out.print(
            f"{file}: {'fine' if file.exists() else 'not there, so everything is as by default'}",
            markup=False,
        )


def _damage(config: "Path | None") -> list[str]:
    """Say what the file is damaged by, and the ways on."""
    from gateway.cli.administration import looking

    with looking(config) as store:
        found = store.damage()
    if found:
        found.append(
            "the database is damaged: go back to a backup, or start the gateway and export what it"
            " still reads; frames that cannot be read are told as a gap"
        )
    return found


def _semantic_problems(settings: configuration.Config, file: "Path | None") -> list[str]:
    """What only the parts themselves can tell: topics of routes, rules, certificates, handlers."""
    from gateway.root.tables import examine

    return [f"{file or DEFAULT}: {problem}" for problem in examine(settings)]


def _concerns(settings: configuration.Config, file: "Path | None") -> list[str]:
    """What a start would not look at, or only find on its way."""
    return [f"{file or DEFAULT}: {concern}" for concern in concerns(settings)]


def _sentence(error: Exception, settings: configuration.Config) -> str:
    """Say what ended the start; of a port, by the key that chose it."""
    if not isinstance(error, OSError) or error.errno not in _PORT_ADVICE:
        return str(error)
    keys = {settings.http.port: "[http] port", settings.mqtt.port: "[mqtt] port"}
    if settings.mqtt.tls is not None:
        keys[settings.mqtt.tls.port] = "[mqtt.tls] port"
    found = re.search(r"\('.*', (\d+)", str(error))
    port = int(found[1]) if found else None
    place = f"{keys[port]} {port}: " if port in keys else ""
    return f"{place}{os.strerror(error.errno).lower()}: {_PORT_ADVICE[error.errno]}"


_PORT_ADVICE = {
    errno.EADDRINUSE: (
        "is another gateway or broker running? End it, or choose another port in gateway.toml"
    ),
    errno.EACCES: (
        "ports below 1024 need a right (docs/operations.md: CAP_NET_BIND_SERVICE); choose another"
        " port in gateway.toml, or give the right"
    ),
}
