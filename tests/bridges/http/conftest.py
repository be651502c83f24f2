"""The HTTP application over the core, and a client on a real socket."""

from __future__ import annotations

import time

import pytest

from gateway.asking import Asking
from gateway.bridges.http import listening
from gateway.bridges.http.answers import nothing
from gateway.bridges.http.api import api
from gateway.bridges.http.application import application
from gateway.bridges.http.asyncapi import Servers
from gateway.bridges.http.authentication import Authentication
from gateway.pace import Pace
from gateway.rates import Rates
from gateway.store.keeping import Keeping

BODY_LIMIT = 4096


@pytest.fixture
def sign_up():
    """Who may make an account."""
    return "invite"


@pytest.fixture
def messages_per_second():
    """How often a device may post; 0 is no limit."""
    return 0


async def elsewhere(request):
    """Stand for another bridge's handler."""
    return nothing()


@pytest.fixture
def routes(core, sign_up, messages_per_second):
    """The table of routes, those of other bridges included."""
    return api(
        history=core.kept.history,
        series=core.kept.series,
        kept=Keeping(max_size=4 << 30),
        audit=core.kept.audit,
        trouble=core.kept.trouble,
        catalog=core.catalog,
        hub=core.hub,
        intake=core.intake,
        presence=core.presence,
        commands=core.commands,
        registry=core.registry,
        policy=core.policy,
        sign_in=core.sign_in,
        passwords=core.passwords,
        asking=Asking(core.policy, core.commands, core.journal),
        clock=core.clock,
        broker=lambda: {"connections": 2, "messages_received": 7},
        sign_up=sign_up,
        secure=False,
        version="0.1.0",
        servers=lambda port: Servers(url=f"http://gateway.local:{port}", mqtt=2883, mqtts=9883),
        pace=Pace(Rates(messages_per_second, time.monotonic)),
        others=[
            listening.stream(elsewhere),
            listening.websocket(elsewhere),
            listening.mqtt(elsewhere),
        ],
    )


@pytest.fixture
def app(core, routes):
    """The application."""
    return application(routes, Authentication(core.sign_in, core.registry), body_limit=BODY_LIMIT)


@pytest.fixture
async def client(app, aiohttp_client):
    """A client that is nobody."""
    return await aiohttp_client(app)
