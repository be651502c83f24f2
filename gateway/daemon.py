"""The composition root: the only module that knows every part.

A `Gateway` builds its parts from below upwards and ends them the other way round, so that what was accepted is
stored, shown and acknowledged.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from bridges.http import listening
from bridges.http.api import api
from bridges.http.application import application
from bridges.http.authentication import Authentication, offer
from bridges.mqtt import MqttGate, Route, Routes
from bridges.mqtt.cluster import ClusterGate, ClusterLink
from bridges.mqtt.link import MqttLink
from bridges.mqtt.translation import Translation
from bridges.mqtt.websocket import MqttOverWebSocket
from bridges.sse import Streams
from bridges.websocket import WebSockets
from gateway import __version__, engines
from gateway.access.journal import Journal
from gateway.access.passwords import Passwords
from gateway.access.policy import Action, Policy
from gateway.access.registry import Registry
from gateway.access.requests import demand_same_origin, sign_in_by
from gateway.access.sign_in import SignIn
from gateway.access.throttle import Throttle
from gateway.catalog import Catalog
from gateway.clock import now_ms
from gateway.commands import Commands
from gateway.errors import Conflict, Forbidden, Invalid
from gateway.hub import Hub
from gateway.intake import Intake
from gateway.presence import Presence
from gateway.store import history
from gateway.store.database import Database
from gateway.store.upkeep import Upkeep
from gateway.tls import ServerTls

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from pathlib import Path

    from config import Config
    from config.model import HttpTls, MqttTls
    from gateway.access.policy import View
    from gateway.access.principal import Principal
    from gateway.broker.port import Statement
    from gateway.commands import Command
    from gateway.frames import Entry
    from gateway.links import Link
    from gateway.store.history import Page
    from gateway.store.registry import Change

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0005  # s; a database thread that wants the interpreter back waits no longer
RECHECK = 1.0  # s between looks for listeners whose sign-in has ended
SHUTDOWN = 5.0  # s for open requests to end


class Gateway:
    """One running gateway: `async with Gateway(config) as gateway: await gateway.wait()`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._failed: asyncio.Future[None] | None = None
        self._settling = False

    async def __aenter__(self) -> Gateway:
        """Build and start every part; raises `GatewayError` or `OSError` where it cannot."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._failed = asyncio.get_running_loop().create_future()
        try:
            await self._open_store()
            await self._build_access()
            await self._build_core()
            await self._build_broker()
            await self._serve_http()
            self._stack.push_async_callback(self.broker.stop)
            await self.broker.start()
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
        """Where a browser on this machine finds it."""
        http = self._config.http
        host = "localhost" if http.host in {"0.0.0.0", "::", ""} else http.host  # noqa: S104 - compared, not bound
        return f"{'https' if http.tls else 'http'}://{host}:{self._http_port}"

    def reload(self) -> None:
        """Take up what SIGHUP asks for: renewed certificates and changed handlers."""
        for tls in (self.mqtt_tls, self.http_tls):
            try:
                if tls is not None:
                    tls.reload()
            except Invalid as error:
                log.error("the certificate stays as it was: %s", error)

    # Store

    async def _open_store(self) -> None:
        store, kept = self._config.store, self._config.history
        self._stack.enter_context(_alone(store.path))
        self.database = await Database.open(store.path, durability=store.durability)
        self._stack.push_async_callback(self.database.close)
        self.upkeep = Upkeep(self.database, keep=round(kept.keep * 1000), max_size=kept.max_size, clock=now_ms)
        self._spawn(self.upkeep.run(), "upkeep")

    async def _commit(self, seq: int, entries: Sequence[Entry], statements: Sequence[Statement]) -> None:
        await self.database.write(lambda db: history.append(db, seq, entries, statements))

    async def _read(self, cursor: int, upto: int, series: Sequence[int] | None, limit: int) -> Page:
        return await self.database.read(lambda db: history.after(db, cursor, upto, series, limit))

    # Access

    async def _build_access(self) -> None:
        access = self._config.access
        self.routes = Routes([_route(route) for route in self._config.routes])
        self.registry = Registry(self.database, clock=now_ms)
        await self.registry.load()
        self.policy = Policy(self.registry, route=self.routes.device_of, device_to_device=access.device_to_device)
        self.journal = Journal(self.database, clock=now_ms)
        self._stack.push_async_callback(self.journal.flush)
        self.passwords = Passwords()
        self._stack.callback(self.passwords.close)
        throttle = Throttle(clock=time.monotonic)
        self.sign_in = SignIn(self.registry, throttle, self.journal, self.passwords, claim_code=access.claim_code)
        self._spawn(self.registry.run(), "registry")
        self._spawn(self.journal.run(), "journal")

    # Core

    async def _build_core(self) -> None:
        opened = await self.database.read(history.opened)
        self.catalog = Catalog(opened)
        self.hub = Hub(epoch=opened.epoch, seq=opened.seq, catalog=self.catalog, read=self._read)
        self.intake = Intake(
            seq=opened.seq,
            commit=self._commit,
            publish=self.hub.publish,
            unsaved=self.catalog.take_unsaved,
            slow=self._slow,
        )
        running = self._watched(self.intake.run(), "intake")
        self._stack.push_async_callback(self._drain, running)
        self.presence = Presence(
            intake=self.intake, catalog=self.catalog, clock=now_ms, http_timeout=self._config.presence.http_timeout
        )
        self.presence.start()
        self.commands = Commands(
            intake=self.intake,
            database=self.database,
            catalog=self.catalog,
            links=self._links,
            exists=self.registry.devices.__contains__,
            clock=now_ms,
            answer=self._answer,
            keep=round(self._config.history.keep * 1000),
        )
        await self.commands.start()
        self._spawn(self.presence.run(), "presence")
        self._spawn(self.commands.run(), "commands")
        self.registry.on_change(self._changed)

    def _links(self, device: str) -> Sequence[Link]:
        """Return a device's links; behind an external broker any device may be listening."""
        links = self.presence.links(device)
        return links or ([ClusterLink(device, self.broker)] if self._config.broker.engine == "external" else ())

    def _slow(self, full: bool) -> None:
        if full:
            self.broker.pause()
        else:
            self.broker.resume()

    async def _drain(self, running: asyncio.Task[None]) -> None:
        self.intake.close()
        await asyncio.wait([running], timeout=SHUTDOWN)
        running.cancel()

    def _answer(self, command: Command) -> None:
        if command.answer_to is None:
            return
        for link in self.presence.links(command.answer_to.device):
            if isinstance(link, MqttLink):
                link.answer(command, command.answer_to)
                return

    def _changed(self, change: Change) -> None:
        """Let what has changed in the registry take effect on what is open, once for all changes of a moment."""
        if change.kind == "device" and change.gone:
            self.intake.submit((), None, (self.catalog.hide(change.key),))
            self.presence.forget(change.key, Forbidden("this device was removed"))
        if change.kind == "session" and not change.gone:
            return
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = False
        self.hub.invalidate()
        self.broker.forget()
        for connection in list(self.broker.connections()):
            if not self.registry.stands(cast("Principal", connection.identity)):
                connection.close(Forbidden("your access has ended"))

    # MQTT

    async def _build_broker(self) -> None:
        make_gate = ClusterGate if self._config.broker.engine == "external" else MqttGate
        gate = make_gate(
            sign_in=self.sign_in.mqtt,
            policy=self.policy,
            routes=self.routes,
            translation=Translation(catalog=self.catalog, presence=self.presence, commands=self.commands),
            intake=self.intake,
            presence=self.presence,
            ready=self.commands.ready,
            clock=now_ms,
        )
        self.mqtt_tls = _tls(self._config.mqtt.tls)
        self.broker = await engines.build(self._config, gate, self.database, self.mqtt_tls, self.routes.filters)

    # HTTP

    async def _serve_http(self) -> None:
        config = self._config.http
        self.http_tls = _tls(config.tls)
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=SHUTDOWN)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        context = self.http_tls.context if self.http_tls else None
        await web.TCPSite(runner, config.host, config.port, ssl_context=context).start()
        self._http_port = int(runner.addresses[0][1])

    def _application(self) -> web.Application:
        size = self._config.limits.packet_size
        secure = self._config.http.tls is not None
        entrance = Entrance(self.sign_in, self.policy, self.registry)
        self.websockets = WebSockets(
            hub=self.hub, entrance=entrance, send=self._send, wait=self.commands.wait, max_size=size
        )
        self.streams = Streams(hub=self.hub, entrance=entrance)
        mqtt = MqttOverWebSocket(accept=self.broker.accept, same_origin=_same_origin, max_size=size)
        routes = api(
            database=self.database,
            catalog=self.catalog,
            hub=self.hub,
            intake=self.intake,
            presence=self.presence,
            commands=self.commands,
            registry=self.registry,
            policy=self.policy,
            sign_in=self.sign_in,
            passwords=self.passwords,
            journal=self.journal,
            clock=now_ms,
            broker=self.broker.statistics,
            troubles=tuple,
            sign_up=self._config.access.sign_up,
            secure=secure,
            version=__version__,
            others=[
                listening.websocket(self.websockets.handle),
                listening.stream(self.streams.handle),
                listening.mqtt(mqtt.handle),
            ],
        )
        app = application(routes, Authentication(self.sign_in), body_limit=size, tls=secure)
        app.on_shutdown.append(self._end_listening)
        self._spawn(self._recheck(), "recheck")
        return app

    async def _send(self, principal: Principal, device: str, name: str, value: str, ttl: float | None) -> str:
        self.policy.demand(principal, Action.COMMAND, device)
        self.journal.note(principal.key, "command", f"device:{device}", command=name)
        command = await self.commands.send(device, name, value, sender=principal.key, ttl=ttl)
        return command.id

    async def _end_listening(self, _: web.Application) -> None:
        await self.websockets.close()
        await self.streams.close()

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK)
            await self.websockets.recheck()
            await self.streams.recheck()

    # Tasks

    def _watched(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._watched(work, name)
        self._stack.push_async_callback(_cancelled, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.critical("%s failed", task.get_name(), exc_info=task.exception())
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError(task.get_name()))


class Entrance:
    """Sign-in as the WebSocket and the event stream need it."""

    def __init__(self, sign_in: SignIn, policy: Policy, registry: Registry) -> None:
        self._sign_in = sign_in
        self._policy = policy
        self._registry = registry

    def request(self, request: web.Request) -> Principal | None:
        """Return whom a request's header or cookie names; None where it has neither."""
        shown = offer(request)
        if shown.authorization is None and not shown.cookie:
            return None
        return sign_in_by(self._sign_in, shown, acts=True)

    def token(self, token: str, address: str) -> Principal:
        return self._sign_in.token(token, address)

    def view(self, principal: Principal) -> View:
        return self._policy.view(principal)

    def valid(self, principal: Principal) -> bool:
        return self._registry.stands(principal)


def _same_origin(request: web.Request) -> bool:
    try:
        demand_same_origin(offer(request))
    except Forbidden:
        return False
    return True


def _tls(files: HttpTls | MqttTls | None) -> ServerTls | None:
    """Return the TLS of a listener, if it has one."""
    return None if files is None else ServerTls(files.cert, files.key, getattr(files, "client_ca", None))


def _route(route: Any) -> Route:
    return Route(route.topic, decode=route.decode, retain=route.retain, device=route.device, channel=route.channel)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the database for this process: two gateways on one file would give out the same seq twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"{path}: another gateway is running on this database") from None
        yield


def examine(config: Config) -> Iterator[str]:
    """Yield what is wrong with a config that only the parts themselves can tell."""
    for number, route in enumerate(config.routes, 1):
        try:
            _route(route)
        except Invalid as error:
            yield f"[[routes]] number {number}: {error}"
