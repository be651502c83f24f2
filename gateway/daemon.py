"""The composition root: the only module that knows every part.

A `Gateway` builds its parts from below upwards and ends them the other way round, so that what was
accepted is stored, shown and acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from gateway import addresses, rules
from gateway.access.journal import Journal
from gateway.access.passwords import Passwords
from gateway.access.policy import Policy
from gateway.access.registry import Registry
from gateway.access.sign_in import SignIn
from gateway.access.throttle import Throttle
from gateway.actions import Actions
from gateway.asking import Asking
from gateway.bridges.mqtt.claiming import Claiming
from gateway.bridges.mqtt.conventions import gateway
from gateway.bridges.mqtt.routes import Route
from gateway.bridges.mqtt.translation import Translation
from gateway.catalog import Catalog
from gateway.clock import now_ms
from gateway.commands import Commands
from gateway.engines import ENGINES
from gateway.engines.needs import Needs
from gateway.errors import Forbidden, Invalid
from gateway.handlers import loading
from gateway.handlers.runtime import Handlers
from gateway.hub import Hub
from gateway.hub.hub import AHEAD
from gateway.intake import Intake
from gateway.presence import Presence
from gateway.rates import Rates
from gateway.rules import Rules
from gateway.running import Whereabouts, alone
from gateway.seats import Seats
from gateway.site import Site
from gateway.stores import open_store
from gateway.tls import ServerTls
from gateway.valve import Valve
from gateway.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from gateway.access.principal import Principal
    from gateway.config import Config
    from gateway.config.model import HttpTls, MqttTls
    from gateway.config.model import Route as RouteTable
    from gateway.store.registry import Change

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005  # s; a database thread that wants the interpreter back waits no longer
# one connection in so many more is for HTTP alone: probes and admins get in when all places are
# taken
RESERVE = 100
SHUTDOWN = 5.0  # s for open requests to end


class Gateway:
    """One running gateway: `async with Gateway(config) as gateway: await gateway.wait()`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._failed: asyncio.Future[None] | None = None
        self._settling = False
        self._gone: list[Change] = []  # what the broker has not purged yet
        self._site: Site | None = None

    async def __aenter__(self) -> Gateway:
        """Build and start every part; raises `GatewayError` or `OSError` where it cannot."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._failed = asyncio.get_running_loop().create_future()
        try:
            lock = self._stack.enter_context(alone(self._config.store.path))
            await self._open_store()
            await self._build_access()
            await self._build_core()
            await self._build_broker()
            await self._build_reactions()
            self._stack.push_async_callback(self.broker.stop)
            await self.broker.start()
            await self._serve_http()
            lock.tell(Whereabouts(self.url, self.public_url, self.ports))
            self.registry.on_read(lock.read_upto)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def wait(self) -> None:
        """Return never; raises what a part has failed with that the gateway cannot do without."""
        assert self._failed is not None
        await asyncio.shield(self._failed)

    @property
    def ports(self) -> dict[str, int]:
        """The bound ports: `http`, `mqtt`, `mqtts`."""
        return {"http": self._http_port, **self.broker.ports}

    @property
    def url(self) -> str:
        """Where programs on this machine find it."""
        http = self._config.http
        return addresses.local_url(http.host, self._http_port, tls=http.tls is not None)

    @property
    def public_url(self) -> str:
        """The address that links, pages and sketches give: `[http] url`, or this machine's own."""
        http = self._config.http
        own = addresses.public_url(http.host, self._http_port, tls=http.tls is not None)
        return (http.url or own).rstrip("/")

    def reload(self) -> None:
        """Take up what SIGHUP asks for: renewed certificates and changed handlers."""
        for tls in filter(None, (self.mqtt_tls, self.http_tls)):
            try:
                tls.reload()
            except Invalid as error:
                log.error("the certificate stays as it was: %s", error)
            else:
                log.info("the certificate is read anew")
        self._reloading = asyncio.create_task(self._reload_handlers(), name="reload")

    async def _reload_handlers(self) -> None:
        try:
            await self.handlers.reload(self._config.handlers.modules)
        except Invalid as error:
            log.error("the handlers stay as they were: %s", error)
        else:
            log.info("the handlers are read anew")

    # Store

    async def _open_store(self) -> None:
        store, kept = self._config.store, self._config.history
        self.store = await open_store(store.path, durability=store.durability)
        self._stack.push_async_callback(self.store.close)
        self.upkeep = self.store.upkeep(
            keep=round(kept.keep * 1000), max_size=kept.max_size, clock=now_ms
        )
        self.run_beside(self.upkeep.run(), "upkeep")

    # Access

    async def _build_access(self) -> None:
        access = self._config.access
        self.routes = gateway.routes(
            [_route(number, route) for number, route in enumerate(self._config.routes, 1)]
        )
        self.registry = Registry(self.store.registry, clock=now_ms)
        await self.registry.load()
        self.policy = Policy(
            self.registry, find=self.routes.find, device_to_device=access.device_to_device
        )
        self.journal = Journal(self.store.audit, clock=now_ms)
        self._stack.push_async_callback(self.journal.close)
        self.passwords = Passwords()
        self._stack.callback(self.passwords.close)
        throttle = Throttle(clock=time.monotonic)
        self.sign_in = SignIn(
            self.registry, throttle, self.journal, self.passwords, claim_code=access.claim_code
        )
        self.run_beside(self.registry.run(), "registry")
        self.run_beside(self.journal.run(), "journal")

    # Core

    async def _build_core(self) -> None:
        opened = await self.store.history.opened(now_ms() + AHEAD)
        self.catalog = Catalog(opened)
        read = self.store.history.after
        self.hub = Hub(epoch=opened.epoch, seq=opened.seq, catalog=self.catalog, read=read)
        self.valve = Valve()
        most = self._config.limits.connections
        self.rates = Rates(self._config.limits.messages_per_second, time.monotonic)
        self.seats = Seats(most, reserve=most // RESERVE)
        self.intake = Intake(
            seq=opened.seq,
            commit=self.store.history.append,
            publish=self.hub.publish,
            unsaved=self.catalog.take_unsaved,
            valve=self.valve,
        )
        running = self._watched(self.intake.run(), "intake")
        self._stack.push_async_callback(self._drain, running)
        self.presence = Presence(
            intake=self.intake,
            catalog=self.catalog,
            clock=now_ms,
            http_timeout=self._config.presence.http_timeout,
        )
        self.presence.start()
        self.commands = Commands(
            intake=self.intake,
            store=self.store.commands,
            catalog=self.catalog,
            links=self.presence.reach,
            exists=self.registry.devices.__contains__,
            clock=now_ms,
            keep=round(self._config.history.keep * 1000),
        )
        self.asking = Asking(self.policy, self.commands, self.journal)
        await self.commands.start()
        self.run_beside(self.presence.run(), "presence")
        self.run_beside(self.commands.run(), "commands")

    async def _drain(self, running: asyncio.Task[None]) -> None:
        self.intake.close()
        await asyncio.wait([running], timeout=SHUTDOWN)
        running.cancel()

    def _changed(self, change: Change) -> None:
        """Let what has changed in the registry take effect on what is open, once for all changes of
        a moment.
        """
        if change.kind == "device" and change.gone:
            self.commands.forget(change.key)
            self.intake.submit((), None, (self.catalog.hide(change.key),))
            self.presence.forget(change.key, Forbidden("this device was removed"))
            self.rules.forget(change.key)
            self.handlers.forget(change.key)
        if change.kind == "session" and not change.gone:
            return
        if change.gone:
            self._gone.append(change)
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _given_away(self, device: str) -> None:
        self.commands.forget(device, "the device was given to somebody else")

    def _settle(self) -> None:
        self._settling = False
        self._purge()
        self.hub.invalidate()
        self.broker.forget()
        for connection in list(self.broker.connections()):
            if not self.registry.stands(cast("Principal", connection.identity)):
                connection.close(Forbidden("your access has ended"))

    def _purge(self) -> None:
        """Nothing of devices, tokens and users that are gone is left in the broker."""
        gone, self._gone = self._gone, []
        keys = {f"{change.kind}:{change.key}" for change in gone if change.kind != "session"}
        devices = {change.key for change in gone if change.kind == "device"}
        if devices:
            self.broker.purge(keys, lambda topic: self.policy.device_of(topic) in devices)
        elif keys:
            self.broker.purge(keys)

    # MQTT

    async def _build_broker(self) -> None:
        engine = ENGINES[self._config.broker.engine]
        self.gate = engine.Gate(
            sign_in=self.sign_in.mqtt,
            known=self.registry.known,
            policy=self.policy,
            routes=self.routes,
            translation=Translation(
                catalog=self.catalog,
                presence=self.presence,
                commands=self.commands,
                asking=self.asking,
                exists=self.registry.devices.__contains__,
            ),
            claiming=Claiming(self.registry, clock=now_ms),
            intake=self.intake,
            presence=self.presence,
            ready=self.commands.ready,
            refused=self.commands.refused,
            journal=self.journal,
            clock=now_ms,
        )
        self.mqtt_tls = _mqtt_tls(self._config.mqtt.tls)
        needs = Needs(
            config=self._config,
            gate=self.gate,
            store=self.store,
            tls=self.mqtt_tls,
            filters=self.routes.filters,
            seats=self.seats,
            rates=self.rates,
        )
        self.broker = await engine.build(needs)
        self.presence.stand_in(partial(engine.links, self.broker))
        self.valve.subscribe(self.broker.pause, self.broker.resume)
        self.registry.on_change(self._changed)
        self.registry.on_transfer(self._given_away)

    # What reacts

    async def _build_reactions(self) -> None:
        self.handlers = Handlers(
            hub=self.hub,
            intake=self.intake,
            catalog=self.catalog,
            commands=self.commands,
            presence=self.presence,
            describe=self.registry.devices.get,
            clock=now_ms,
            folder=self._config.directory,
        )
        self._stack.push_async_callback(self.handlers.close)
        self.handlers.load(self._config.handlers.modules)
        self.run_beside(self.handlers.run(), "handlers")
        self.webhooks = Webhooks(clock=now_ms)
        self._stack.push_async_callback(self.webhooks.close)
        actions = Actions(
            commands=self.commands,
            intake=self.intake,
            catalog=self.catalog,
            exists=self.registry.devices.__contains__,
            hook=self.webhooks.hook,
            clock=now_ms,
        )
        watching = [rules.compiled(table, actions) for table in self._config.rules]
        self.rules = Rules(watching, hub=self.hub, catalog=self.catalog, clock=now_ms)
        self.rules.start()
        self._stack.callback(self.rules.stop)
        self.run_beside(self.rules.run(), "rules")

    # HTTP

    async def _serve_http(self) -> None:
        self.http_tls = _http_tls(self._config.http.tls)
        self._site = site = Site(self, self._config)
        runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=SHUTDOWN)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        context = self.http_tls.context if self.http_tls else None
        await site.listener(runner, context).start()
        self._http_port = int(runner.addresses[0][1])
        self.run_beside(site.recheck(), "recheck")

    # Tasks

    def _watched(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def run_beside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something for as long as the gateway runs; where it fails, the gateway does."""
        task = self._watched(work, name)
        self._stack.push_async_callback(_cancelled, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.critical("%s failed", task.get_name(), exc_info=task.exception())
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError(task.get_name()))


def _mqtt_tls(files: MqttTls | None) -> ServerTls | None:
    return None if files is None else _tls("[mqtt.tls]", files.cert, files.key, files.client_ca)


def _http_tls(files: HttpTls | None) -> ServerTls | None:
    return None if files is None else _tls("[http.tls]", files.cert, files.key)


def _tls(table: str, cert: Path, key: Path, client_ca: Path | None = None) -> ServerTls:
    try:
        return ServerTls(cert, key, client_ca)
    except Invalid as error:
        raise Invalid(f"{table} {error}") from error


def _route(number: int, route: RouteTable) -> Route:
    try:
        return Route(
            route.topic,
            decode=route.decode,
            retain=route.retain,
            device=route.device,
            channel=route.channel,
        )
    except Invalid as error:
        raise Invalid(f"[[routes]] #{number}: {error}") from error


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def examine(config: Config) -> Iterator[str]:
    """Yield what is wrong with a config that only the parts themselves can tell."""
    tables: list[Callable[[], object]] = [
        *(partial(_route, number, route) for number, route in enumerate(config.routes, 1)),
        *(partial(rules.check, rule) for rule in config.rules),
        partial(_mqtt_tls, config.mqtt.tls),
        partial(_http_tls, config.http.tls),
        partial(loading.load, config.handlers.modules, config.directory),
    ]
    for read in tables:
        try:
            read()
        except Invalid as error:
            yield str(error)
