"""Print frames as they happen, one JSON object a line, and miss none while the network comes and
goes.

On the gateway:
    gateway device add kitchen --owner you@example.com
    gateway token add --user you@example.com --scope read    # prints the TOKEN
Then:
    python listener.py http://localhost:8080 TOKEN 'kitchen/#'
"""

import asyncio
import contextlib
import json
import sys

from gateway.listener import Listener


async def main(url: str, token: str, *filters: str) -> None:
    async with Listener(url, token, *filters) as frames:
        async for frame in frames:
            if frame["type"] == "gap":
                print(f"history no longer holds {frame['from']} to {frame['to']}", file=sys.stderr)
            else:
                print(json.dumps(frame), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: listener.py URL TOKEN [FILTER ...]")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
