"""Who changes something by a small protocol, and whether they still may when it is changed."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.access import accounts
from gateway.access.policy import Action
from gateway.bridges.edge import anonymous
from gateway.bridges.edge.anonymous import Anonymous
from gateway.bridges.edge.door import Door
from gateway.errors import Unauthenticated
from gateway.store.audit import By

BY = By("test", "", 1)


async def test_a_change_asks_for_the_right_once_more(core):
    """A token that was revoked while its change waited for its turn makes none."""
    user = await core.user()
    secret = (await core.bearer(user))["Authorization"].split()[1]
    request = make_mocked_request("GET", "/")
    door = Door(core.sign_in, core.policy, core.registry)
    principal = core.sign_in.token(secret, "")
    by = door.by(request, principal, Action.CREATE_DEVICE, "shed", 1)
    by.demand()
    await core.registry.apply(accounts.change, BY, user, disabled=True)
    with pytest.raises(Unauthenticated):
        by.demand()


async def test_anonymous_devices_are_counted_when_they_are_made(core, monkeypatch):
    """However many clients come at once."""
    monkeypatch.setattr(anonymous, "MOST", 1)
    door = Door(core.sign_in, core.policy, core.registry)
    asked = Anonymous(
        door=door, registry=core.registry, clock=lambda: 1, name="things", permitted=True
    )
    request = make_mocked_request("GET", "/")
    made = await asyncio.gather(
        *(asked.provide(f"d{n}", "thing", request, name="") for n in range(3)),
        return_exceptions=True,
    )
    assert made[0] is None
    assert sum(isinstance(each, Unauthenticated) for each in made) == 2
    assert len(core.registry.devices) == 1
