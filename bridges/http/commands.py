"""Commands by POST, and what became of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Raw, UnsetType

from gateway.access.policy import Action
from gateway.bridges.edge.sender import PRINCIPAL
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, BODY, Route
from gateway.bridges.http.waiting import at_most
from gateway.errors import Invalid, NoReply, NotFound, Unavailable, Untranslatable
from gateway.payloads import one_value

if TYPE_CHECKING:
    from gateway.asking import Asking
    from gateway.bridges.http.authentication import Permission
    from gateway.commands import Command, Commands

LONGEST_KEY = 200
_KEY = re.compile(rf"[ -~]{{1,{LONGEST_KEY}}}")


class CommandQuery(msgspec.Struct):
    """`wait`: seconds to wait for the reply, 0: do not; `ttl`: seconds after which the command is
    no longer sent.
    """

    wait: Annotated[float, Meta(ge=0, le=60)] | None = None
    ttl: Annotated[float, Meta(gt=0, le=30 * 86_400)] | None = None


class CommandAnswer(msgspec.Struct):
    """A command. `state`: queued, sent, delivered, replied, expired or failed."""

    id: str
    device: str
    name: str
    state: str
    value: Raw
    reply: Raw | UnsetType = msgspec.UNSET
    error: str | UnsetType = msgspec.UNSET


class CommandsAnswer(msgspec.Struct):
    """What waits for a device, in the order in which it gets it."""

    commands: list[CommandAnswer]


class CommandRoutes:
    """Sends commands, shows them, and takes them back."""

    def __init__(self, commands: Commands, permission: Permission, asking: Asking) -> None:
        self._commands = commands
        self._permission = permission
        self._asking = asking

    def routes(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path=f"{API}/devices/{{id}}/commands/{{name:.+}}",
                handler=self.send,
                summary="Send a command; with `wait`, answer with the device's reply",
                query=CommandQuery,
                body={"description": "any JSON; nothing is null"},
                answer=CommandAnswer,
                status=202,
                also={200: "with `wait`, the command with its reply"},
                headers={
                    "Idempotency-Key": (
                        "the same key again answers with the command that was sent the first time"
                    )
                },
            ),
            Route(
                method="GET",
                path=f"{API}/commands/{{id}}",
                handler=self.get,
                summary="A command and its state",
                answer=CommandAnswer,
            ),
            Route(
                method="DELETE",
                path=f"{API}/commands/{{id}}",
                handler=self.cancel,
                summary="Cancel a command that the device has not acknowledged",
                answer=CommandAnswer,
            ),
            Route(
                method="GET",
                path=f"{API}/devices/{{id}}/commands",
                handler=self.waiting,
                summary="The commands that wait for a device",
                answer=CommandsAnswer,
            ),
        ]

    async def send(self, request: web.Request) -> web.Response:
        device, name = request.match_info["id"], request.match_info["name"]
        self._permission.demand(request, Action.COMMAND, device)
        asked = parameters.query(request.query, CommandQuery)
        value = _value(request[BODY])
        command = await self._asking.send(
            request[PRINCIPAL],
            device,
            name,
            value,
            asked.ttl,
            idempotency_key=_idempotency_key(request),
            address=request.remote or "",
        )
        if not asked.wait:
            return _answer(command, 202)
        try:
            async with at_most(request, asked.wait + 1):
                await self._commands.wait(command.id, asked.wait)
            self._permission.again(request)
        except NoReply as error:
            return answers.problem(error, id=command.id)
        except TimeoutError:
            self._permission.again(request)
            return answers.problem(
                Unavailable("the gateway stops; ask for the command again by its id"), id=command.id
            )
        return _answer(await self._commands.get(command.id), 200)

    async def get(self, request: web.Request) -> web.Response:
        return _answer(await self._seen(request), 200)

    async def cancel(self, request: web.Request) -> web.Response:
        command = await self._seen(request)
        principal, address = request[PRINCIPAL], request.remote or ""
        return _answer(await self._asking.cancel(principal, command, address), 200)

    async def waiting(self, request: web.Request) -> web.Response:
        device = self._permission.device(request, Action.READ, request.match_info["id"])
        found = [Raw(command.json()) for command in self._commands.unfinished(device.id)]
        return answers.json({"commands": found})

    async def _seen(self, request: web.Request) -> Command:
        """Return the command that the path names, where the principal may see it."""
        number = request.match_info["id"]
        command = await self._commands.get(number)
        if not self._may_see(request, command):
            raise NotFound(f"there is no command {number[:40]}")
        return command

    def _may_see(self, request: web.Request, command: Command) -> bool:
        """Who sees the device sees its commands; who sent one sees it for as long as they may send
        to the device.
        """
        if self._permission.may(request, Action.READ, command.device):
            return True
        sent = command.sender == request[PRINCIPAL].key
        return sent and self._permission.may(request, Action.COMMAND, command.device)


def _answer(command: Command, status: int) -> web.Response:
    where = {"Location": f"{API}/commands/{command.id}"}
    return web.Response(
        body=command.json(), status=status, headers=where, content_type="application/json"
    )


def _value(body: bytes) -> str:
    """Return the body's JSON on one line, as it was given."""
    try:
        return one_value(body.strip() or b"null", "json")
    except Untranslatable as error:
        raise Invalid(f"the body is {error}") from None


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        what = f"1 to {LONGEST_KEY} printable ASCII characters"
        raise Invalid(f"Idempotency-Key: {what}", fields={"Idempotency-Key": what})
    return key
