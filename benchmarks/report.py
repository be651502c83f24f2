"""The command line: `python -m benchmarks [NAME ...]` prints the figures beside what the issues ask
for.
"""

from __future__ import annotations

import json
import os
import platform
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.figures import TINY, Extent, Figure
from benchmarks.measures.carrying import mqtt
from benchmarks.measures.crowd import devices, idle, stored
from benchmarks.measures.fanout import fanout
from benchmarks.measures.ingest import qos0, qos1
from benchmarks.measures.latency import handler, latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEASUREMENTS: dict[str, Callable[[Extent], Iterator[Figure]]] = {
    "qos0": qos0,
    "qos1": qos1,
    "fanout": fanout,
    "mqtt": mqtt,
    "latency": latency,
    "idle": idle,
    "devices": devices,
    "stored": stored,
    "handler": handler,
}
QUIET = 0.5  # processes that want a core
_console = Console(stderr=True)


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(help=f"Which: {', '.join(MEASUREMENTS)}; all without a name."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each load is to take.")] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a figure.")
    ] = False,
    tiny: Annotated[
        bool, typer.Option(help="A few messages only, to see that everything runs.")
    ] = False,
) -> None:
    """Measure this gateway on this machine, each figure with a gateway process of its own."""
    unknown = set(names or ()) - MEASUREMENTS.keys()
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: choose from {', '.join(MEASUREMENTS)}"
        )
    extent = TINY if tiny else Extent(seconds=seconds)
    table = _table()
    start, busy = time.monotonic(), os.getloadavg()[0]
    for name in names or MEASUREMENTS:
        for figure in _measured(name, extent):
            if as_json:
                print(
                    json.dumps({**figure._asdict(), "met": figure.met, "cores": os.cpu_count()}),
                    flush=True,
                )
            _add(table, figure)
        table.add_section()
    if not as_json:
        Console().print(table)
        Console().print(f"{time.monotonic() - start:.0f} s in all{_doubt(busy)}")


def _doubt(busy: float) -> str:
    """Say so where other work took the machine away from the servers: `busy` is the load before the
    start.
    """
    return (
        f"; the machine was busy before (load {busy:.1f}): figures are too low"
        if busy > QUIET
        else ""
    )


def _measured(name: str, extent: Extent) -> Iterator[Figure]:
    """Yield the figures of one measurement; one that fails costs the others nothing."""
    with _console.status(f"{name}: {(MEASUREMENTS[name].__doc__ or '').splitlines()[0]}"):
        try:
            yield from MEASUREMENTS[name](extent)
        except Exception as error:
            _console.print(
                f"{name}: {type(error).__name__}: {str(error).strip()[-400:]}",
                style="red",
                markup=False,
            )
            yield Figure(
                name,
                "",
                "failed",
                float("nan"),
                "",
                note=str(error).strip().rpartition("\n")[2][:80],
            )


def _table() -> Table:
    title = (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_edge=False)
    for heading in ("", "engine", "what"):
        table.add_column(heading)
    for heading in ("figure", "target"):
        table.add_column(heading, justify="right")
    table.add_column("note", style="dim")
    return table


def _add(table: Table, figure: Figure) -> None:
    colour = {True: "green", False: "red", None: "default"}[figure.met]
    value = f"[{colour}]{_number(figure.value)}[/{colour}] {figure.unit}"
    target = (
        ""
        if figure.target is None
        else f"{'at most' if figure.at_most else 'at least'} {_number(figure.target)}"
    )
    table.add_row(figure.measurement, figure.engine, figure.what, value, target, figure.note)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.3g}"
