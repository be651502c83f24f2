"""`gateway history usage`: what history takes of the disk, and when it will be full."""

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.administration import reading, show_table
from gateway.cli.app import configured, out, show_json
from gateway.clock import now_ms
from gateway.config.units import format_size
from gateway.root.store import keeping
from gateway.times import rfc3339

if TYPE_CHECKING:
    from gateway.store.usage import Usage

SHOWN = 20  # channels, those with most bytes
COLUMNS = ("channel", "frames", "minutes", "hours", "days", "bytes")


def usage(config: Path | None, *, as_json: bool) -> None:
    """Show it."""
    kept = keeping(configured(config).history)
    most, now = kept.max_size or 0, now_ms()
    with reading(config) as store:
        found = store.usage(now)
    full = found.full(now, most, kept.frames)
    if as_json:
        show_json(
            {
                **found._asdict(),
                "max_size": most,
                "full": full,
                "channels": [channel._asdict() for channel in found.channels],
            }
        )
        return
    rows = [(f"{c.device}/{c.channel}", *(f"{n:,}" for n in c[2:])) for c in found.channels[:SHOWN]]
    show_table(COLUMNS, rows, nothing="nothing is kept yet")
    if (more := len(found.channels) - SHOWN) > 0:
        out.print(f"and {more:,} channels more")
    for line in _said(found, most, full):
        out.print(line, markup=False)


def _said(found: "Usage", most: int, full: int | None) -> list[str]:
    said = [
        f"{found.bytes:,} bytes of {format_size(most)}; {found.free:,} bytes of the disk are free"
    ]
    if found.frames_a_day is None:
        return [*said, "the rate is not known yet: ask again in some minutes"]
    said.append(f"{found.frames_a_day:,} frames a day, {found.bytes_a_day:,} bytes")
    if full is None:
        return [*said, "at this rate it does not get full: what is old goes before"]
    return [*said, f"at this rate it is full on {rfc3339(full)[:10]}; then the oldest frames go"]
