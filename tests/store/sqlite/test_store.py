"""The ports on a database file."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.store.history import Span
from gateway.store.sqlite import database
from gateway.store.sqlite import store as stores
from gateway.store.sqlite.store import SqliteStore

ALL = Span(0, 1 << 40)
READS: dict[str, Callable[[SqliteStore], Coroutine[Any, Any, object]]] = {
    "frames": lambda store: store.history.by_time([1], ALL, 10),
    "buckets": lambda store: store.history.buckets([1], ALL, 1_000, ["avg"]),
    "columns": lambda store: store.series.buckets([1], ALL, 60_000),
    "values": lambda store: store.series.values([1], ALL, 10),
}


@pytest.mark.parametrize("read", READS)
async def test_no_read_by_time_holds_a_connection_for_long(
    read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is ended when its time is over, with advice."""
    monkeypatch.setattr(stores, "SECONDS", -1)
    monkeypatch.setattr(database, "STEPS", 1)
    store = await SqliteStore.open(tmp_path / "a.db", durability="normal")
    with pytest.raises(StoreError, match="ask for a shorter time"):
        await READS[read](store)
    await store.close()
