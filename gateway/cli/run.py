"""`gateway run` and `gateway check`: the daemon, in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from rich.table import Table

import config as configuration
from gateway.cli.app import REFUSED, WRONG, AsJson, ConfigFile, configured, err, fail, out, show_json
from gateway.errors import GatewayError, Invalid
from gateway.logs import set_up

if TYPE_CHECKING:
    from gateway.daemon import Gateway

log = logging.getLogger("gateway")


def run(
    config: ConfigFile = None,
    demo: Annotated[bool, typer.Option("--demo", help="Start simulated devices, too.")] = False,
) -> None:
    """Run the gateway in the foreground until SIGINT or SIGTERM."""
    settings = configured(config)
    set_up(settings.log.level, settings.log.format)
    sys.path.insert(0, str(settings.directory))  # where the modules of [handlers] are
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, demo=demo))
    except Invalid as error:
        fail(str(error), WRONG)
    except (GatewayError, OSError) as error:
        fail(_sentence(error), REFUSED)


async def _serve(settings: configuration.Config, *, demo: bool) -> None:
    from gateway.daemon import Gateway

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with Gateway(settings) as gateway:
        loop.add_signal_handler(signal.SIGHUP, gateway.reload)
        await _greet(gateway)
        if demo:
            await stack.enter_async_context(demonstration(gateway))
        await _until(stopping, gateway)
        log.info("stopping")


async def _until(stopping: asyncio.Event, gateway: Gateway) -> None:
    """Return when a signal came; raise what a part has failed with."""
    waiting = [asyncio.create_task(stopping.wait()), asyncio.create_task(gateway.wait())]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()
