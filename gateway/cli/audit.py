"""`gateway audit`: who did what, newest first."""

from typing import Annotated

import typer

from gateway.cli.administration import reading, show_table, when
from gateway.cli.app import AsJson, ConfigFile, show_json
from gateway.frames import to_json


def audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many entries.")] = 50,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Show who made, changed, removed and commanded what, who signed in and who failed to."""
    with reading(config) as store:
        found = store.audit(limit)
    if as_json:
        for entry in found:
            show_json(entry)
        return
    columns = ("when (UTC)", "who", "from", "did", "to", "detail")
    rows = [
        (when(e.at), e.actor, e.address, e.action, e.object, to_json(e.detail) if e.detail else "")
        for e in found
    ]
    show_table(columns, rows, nothing="nothing has happened yet")
