"""Who may do what, on which entrance: one table, tried out in full on a running gateway.

A row is an action, a column a principal; the cell says whether it works (`+`), is forbidden (`-`),
concerns something that the principal may not even know of (`?`) or fails for want of a sign-in
(`!`). `.` marks what cannot be asked: MQTT takes no cookie. MQTT has one word for forbidden and
unknown. The people are described in `people.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doors import DEVICES, Http, Mqtt, MqttOverWebSocket, Page, Sse, WebSocket
from people import people

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from people import People

PRINCIPALS = {
    "nobody": "nobody", "attic": "another user's device", "kitchen": "own device",
    "read": "ann's read token", "write": "ann's write token", "full": "ann's admin token",
    "lamp only": "ann's admin token for the lamp alone",
    "cookie": "ann's browser", "admin": "an admin's token", "admin's read": "an admin's read token",
    "expired": "expired token", "revoked": "revoked token", "shed": "disabled device",
    "disabled user": "a disabled user's token", "signed out": "a browser that was signed out",
}  # fmt: skip

TABLE = """
                              no  at  ki  r   w   f   la  co  ad  ar  ex  rv  sh  du  so
see kitchen                   !   ?   +   +   +   +   ?   +   +   +   !   !   !   !   !
see lamp                      !   ?   ?   +   +   +   +   +   +   +   !   !   !   !   !
see attic                     !   +   ?   ?   ?   ?   ?   ?   +   +   !   !   !   !   !
post for kitchen              !   ?   +   -   +   +   ?   +   +   -   !   !   !   !   !
post for lamp                 !   ?   ?   -   +   +   +   +   +   -   !   !   !   !   !
post for attic                !   +   ?   ?   ?   ?   ?   ?   +   -   !   !   !   !   !
command kitchen               !   ?   +   -   +   +   ?   +   +   -   !   !   !   !   !
command lamp                  !   ?   +   -   +   +   +   +   +   -   !   !   !   !   !
command attic                 !   +   ?   ?   ?   ?   ?   ?   +   -   !   !   !   !   !
manage kitchen                !   ?   -   -   -   +   ?   +   +   -   !   !   !   !   !
manage lamp                   !   ?   ?   -   -   +   +   +   +   -   !   !   !   !   !
manage attic                  !   -   ?   ?   ?   ?   ?   ?   +   -   !   !   !   !   !
give kitchen to another       !   ?   -   -   -   -   ?   -   +   -   !   !   !   !   !
make a device                 !   -   -   -   -   +   -   +   +   -   !   !   !   !   !
grant topics of ann's devices !   -   -   -   -   +   -   +   +   -   !   !   !   !   !
grant topics of attic         !   -   -   -   -   -   -   -   +   -   !   !   !   !   !
keep tokens                   !   -   -   -   -   +   -   +   +   -   !   !   !   !   !
administer                    !   -   -   -   -   -   -   -   +   -   !   !   !   !   !
look at metrics               !   -   -   -   -   -   -   -   +   +   !   !   !   !   !
look at the pages             !   !   !   !   !   !   !   +   !   !   !   !   !   !   !
speak for kitchen             !   -   +   -   -   -   -   .   -   -   !   !   !   !   .
publish to a granted topic    !   -   +   -   -   -   -   .   +   -   !   !   !   !   .
publish to another topic      !   -   -   -   -   -   -   .   +   -   !   !   !   !   .
listen to a granted topic     !   -   +   -   -   -   -   .   +   +   !   !   !   !   .
listen to another topic       !   -   -   -   -   -   -   .   +   +   !   !   !   !   .
listen to everything          !   -   -   +   +   +   +   .   +   +   !   !   !   !   .
listen to $SYS                !   -   -   -   -   -   -   .   +   +   !   !   !   !   .
claim a place                 !   -   -   -   -   -   -   .   -   -   !   !   !   !   .
"""


def _rows() -> dict[str, dict[str, str]]:
    lines = [line for line in TABLE.splitlines() if line.strip()][1:]
    cells = {line[:30].strip(): line[30:].split() for line in lines}
    assert all(len(row) == len(PRINCIPALS) for row in cells.values())
    return {action: dict(zip(PRINCIPALS, row, strict=True)) for action, row in cells.items()}


EXPECTED = _rows()
ENTRANCES = (Http, Page, Sse, WebSocket, Mqtt, MqttOverWebSocket)


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    """Everybody's house, where each device has a frame, and then one on the channel `end`; failures
    are not slowed.
    """
    monkeypatch.setattr("gateway.access.throttle.LONGEST", 0.0)
    async with people(tmp_path, access={"claim_code": "the claim code"}) as everybody:
        for channel in ("x", "end"):
            for device in DEVICES:
                url = f"{everybody.home.url}/api/v1/devices/{device}/telemetry/{channel}"
                async with everybody.home.http.post(url, data=b"1") as answer:
                    assert answer.status == 200
        yield everybody


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda each: each.__name__)
async def test_only_what_the_contract_grants_works(here, entrance):
    """Every action that an entrance offers, tried by every principal, does what the table says."""
    wrong = []
    for principal, shown in ((name, here.shown[name]) for name in PRINCIPALS):
        if not entrance.takes(shown):
            continue
        async with entrance.open(here, shown) as door:
            for action, attempt in door.actions.items():
                expected, found = EXPECTED[action][principal], await attempt()
                if found != door.word_for(expected):
                    wrong.append(f"{principal}: {action}: {found}, not {expected}")
    assert wrong == []


async def test_the_table_is_tried_out_in_full(here):
    """Every row of the table is an action of some entrance, and no entrance does what is not in the
    table.
    """
    offered = {
        action for entrance in ENTRANCES for action in entrance(here, here.shown["admin"]).actions
    }
    assert offered == set(EXPECTED)
