"""What went wrong, and who did what: the rejected messages and the audit, newest first."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from gateway.access.policy import Action
from gateway.bridges.http import answers, parameters
from gateway.bridges.http.routes import API, Route
from gateway.store.audit import Wanted
from gateway.store.facts import PAYLOAD_BYTES
from gateway.store.history import REJECTED_KEPT

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.access.records import Records
    from gateway.bridges.http.authentication import Permission
    from gateway.store.audit import AuditStore
    from gateway.store.audit import Entry as Noted
    from gateway.store.history import HistoryStore, Rejection


class NewestFirst(msgspec.Struct):
    """`after`: `next` of the page before."""

    after: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class AuditQuery(NewestFirst):
    """`user`: a user's number, for what they and their tokens did; `device`: what was done by it or
    to it; `action`: a text that is in what was done.
    """

    user: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    device: Annotated[str, Meta(max_length=200)] | None = None
    action: Annotated[str, Meta(max_length=200)] | None = None


class Rejected(msgspec.Struct):
    """A message that could not be translated. `payload`: its beginning, as text or `{"base64":
    ...}`; `at`: ms.
    """

    id: int
    at: int
    topic: str
    device: str | None
    reason: str
    payload: str | dict[str, str]


class RejectedList(msgspec.Struct):
    """The newest messages that could not be translated, of the devices that the asker sees."""

    rejected: list[Rejected]
    next: int | None


class Deed(msgspec.Struct):
    """Who did what to what, from where, when (ms). `names`: how people know the users and tokens
    whose numbers `actor` and `object` hold.
    """

    id: int
    at: int
    actor: str
    action: str
    object: str
    address: str
    detail: dict[str, Any]
    names: dict[str, str]


class AuditList(msgspec.Struct):
    """What was done."""

    audit: list[Deed]
    next: int | None


class Journals:
    """Reads both lists."""

    def __init__(
        self, history: HistoryStore, audit: AuditStore, permission: Permission, records: Records
    ) -> None:
        self._records = records
        self._history = history
        self._audit = audit
        self._permission = permission

    def routes(self) -> list[Route]:
        # fmt: off
        return [
            Route(method="GET", path=f"{API}/rejected", handler=self.rejected, query=NewestFirst,
                answer=RejectedList,
                  summary="Messages that could not be translated, newest first"),
            Route(method="GET", path=f"{API}/audit", handler=self.audit, query=AuditQuery,
                answer=AuditList,
                  summary="Who did what, newest first (admins)"),
        ]
        # fmt: on

    async def rejected(self, request: web.Request) -> web.Response:
        asked = parameters.query(request.query, NewestFirst)
        everything, view = (
            self._permission.may(request, Action.ADMINISTER),
            self._permission.view(request),
        )
        kept = await self._history.rejected(asked.after, REJECTED_KEPT)
        seen = [r for r in kept if everything or (r.device and view.sees(r.device))]
        shown = [_rejected(rejection) for rejection in seen[: asked.limit]]
        return answers.json(RejectedList(shown, shown[-1].id if len(seen) > asked.limit else None))

    async def audit(self, request: web.Request) -> web.Response:
        self._permission.demand(request, Action.ADMINISTER)
        asked = parameters.query(request.query, AuditQuery)
        found = await self._audit.read(asked.after, asked.limit + 1, self._wanted(asked))
        self._permission.again(request)
        deeds = [
            Deed(d.id, d.at, d.actor, d.action, d.object, d.address, d.detail, self._names(d))
            for d in found[: asked.limit]
        ]
        return answers.json(AuditList(deeds, deeds[-1].id if len(found) > asked.limit else None))

    def _wanted(self, asked: AuditQuery) -> Wanted:
        actors = None
        if asked.user is not None:
            own = (t.id for t in self._records.tokens.values() if t.user == asked.user)
            actors = (f"user:{asked.user}", *(f"token:{number}" for number in own))
        return Wanted(actors=actors, device=asked.device, action=asked.action)

    def _names(self, deed: Noted) -> dict[str, str]:
        named = {key: self._records.label(key) for key in (deed.actor, deed.object)}
        return {key: name for key, name in named.items() if name}


def _rejected(found: Rejection) -> Rejected:
    return Rejected(
        found.id, found.at, found.topic, found.device, found.reason, _beginning(found.payload)
    )


def _beginning(payload: bytes) -> str | dict[str, str]:
    """Return the payload as text, without a character that was cut in two at its end; or else as
    base64.
    """
    cut = len(payload) - 3 if len(payload) == PAYLOAD_BYTES else len(payload)
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        if error.start >= cut:
            return payload[: error.start].decode()
    return {"base64": b64encode(payload).decode()}
