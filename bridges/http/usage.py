"""What history takes of the disk, and when it will be full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.access.policy import Action
from gateway.bridges.http import answers
from gateway.bridges.http.routes import API, Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from gateway.bridges.http.authentication import Permission
    from gateway.bridges.http.turns import Turns
    from gateway.store.keeping import Keeping
    from gateway.store.series import SeriesStore

MOST = 1_000  # channels of an answer


class ChannelBytes(msgspec.Struct):
    """How many frames and buckets are kept of a channel, and about how many bytes they take."""

    device: str
    channel: str
    frames: int
    minutes: int
    hours: int
    days: int
    bytes: int


class HistoryUsage(msgspec.Struct):
    """`free`: bytes of the disk. `full`: when `max_size` or the disk is reached at this rate, ms;
    null where frames get too old before. The 1,000 channels with most bytes, the largest first.
    """

    bytes: int
    max_size: int
    free: int
    frames_a_day: int | None
    bytes_a_day: int | None
    full: int | None
    channels: list[ChannelBytes]


class UsageRoutes:
    """Tells it to who sees the whole gateway."""

    def __init__(
        self,
        store: SeriesStore,
        kept: Keeping,
        permission: Permission,
        turns: Turns,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._kept = kept
        self._permission = permission
        self._turns = turns
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path=f"{API}/history/usage",
                handler=self.get,
                summary="What history takes of the disk (an admin's token of any scope)",
                answer=HistoryUsage,
            )
        ]

    async def get(self, request: web.Request) -> web.Response:
        self._permission.demand(request, Action.SUBSCRIBE, "$SYS/#")
        now = self._clock()
        async with self._turns.of(request):
            found = await self._store.usage(now)
        self._permission.again(request)
        most = self._kept.max_size or 0
        return answers.json(
            HistoryUsage(
                found.bytes,
                most,
                found.free,
                found.frames_a_day,
                found.bytes_a_day,
                found.full(now, most, self._kept.frames),
                [ChannelBytes(*channel) for channel in found.channels[:MOST]],
            )
        )
