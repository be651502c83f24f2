"""A new board gets its id and key over MQTT, and opens nothing with them until somebody takes it
in.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
from mqtt_wire import Wire

from tests.end_to_end.conftest import house

CODE = "let me in"
REFUSED = 0x80


@pytest.fixture(params=["embedded", "amqtt"])
async def home(request, tmp_path):
    """A house where boards may claim their place, once for each engine."""
    async with house(
        tmp_path, broker={"engine": request.param}, access={"claim_code": CODE}
    ) as here:
        yield here


@asynccontextmanager
async def _board(home, name: str, code: str = CODE):
    version = 4 if home.protocol == 4 else 5
    async with await Wire.tcp(home.gateway.ports["mqtt"], version=version) as board:
        assert await board.sign_in("claim", code, name) == 0
        assert await board.subscribe(f"$claim/{name}/credentials") < REFUSED
        yield board


async def _announce(board: Wire, name: str, payload: bytes = b"") -> dict:
    await board.publish(f"$claim/{name}/announce", payload)
    return json.loads((await board.message()).payload)


async def test_a_board_claims_its_place(home):
    """The announced board waits; approved, it publishes with the id and key that it was told."""
    async with _board(home, "board-1") as board:
        told = await _announce(board, "board-1", b'{"name":"Kitchen","type":"thermostat"}')
    assert told["state"] == "pending"
    home.keys[told["id"]] = told["key"]
    async with await Wire.tcp(home.gateway.ports["mqtt"], version=4) as early:
        assert await early.sign_in(told["id"], told["key"]) != 0
    async with home.http.post(f"{home.url}/api/v1/devices/{told['id']}/approve") as response:
        assert response.status == 200
    device = await home.device(told["id"])
    await device.publish(f"devices/{told['id']}/telemetry/temperature", "21")
    shown = (await home.get("/devices"))["devices"][0]
    assert (shown["name"], shown["type"], shown["state"]) == ("Kitchen", "thermostat", "active")


async def test_a_board_announces_itself_once(home):
    """A second announcement on the same connection makes no second device."""
    async with _board(home, "board-1") as board:
        assert (await _announce(board, "board-1"))["state"] == "pending"
        assert (await _announce(board, "board-1"))["error"] == "conflict"
    assert len((await home.get("/devices"))["devices"]) == 1


async def test_a_wrong_announcement_is_answered(home):
    """What is no announcement is answered with what is wrong, and makes no device."""
    async with _board(home, "board-1") as board:
        told = await _announce(board, "board-1", b'{"nmae":"Kitchen"}')
    assert told["error"] == "invalid"
    assert "nmae" in told["message"]
    assert (await home.get("/devices"))["devices"] == []


async def test_a_board_hears_nothing_of_another(home):
    """A board may subscribe to its own answers only, so no key is seen by another board with the
    same code.
    """
    async with _board(home, "board-2") as curious, _board(home, "board-1") as board:
        for topic_filter in (
            "$claim/board-1/credentials",
            "$claim/#",
            "$claim/+/credentials",
            "#",
            "devices/#",
        ):
            assert await curious.subscribe(topic_filter) >= REFUSED
        await _announce(board, "board-1")
        await _announce(curious, "board-2")
        await curious.ping()
        assert curious.messages == []


async def test_the_code_is_needed(home):
    """Without the code nobody announces anything."""
    async with await Wire.tcp(home.gateway.ports["mqtt"], version=4) as board:
        assert await board.sign_in("claim", "wrong code", "board-1") != 0
