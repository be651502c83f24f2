"""A gateway's core that sends commands to a device that comes and goes, and says what happens,
until it is killed.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from tests.rig import FakeLink, running


def say(word: str, value: object) -> None:
    """Write a line that survives the process."""
    sys.stdout.write(f"{word} {value}\n")
    sys.stdout.flush()


class SayingLink(FakeLink):
    """Tells what arrives, and what is acknowledged before the gateway learns of it."""

    def deliver(self, command, delivered):
        left = super().deliver(command, delivered)
        if left:
            say("arrived", command.value)
        return left

    def acknowledge(self):
        say("acknowledged", self.got[-len(self.acks)].value)
        super().acknowledge()


async def main(path: str, first: int) -> None:
    """Send numbers from `first` on, for ever."""
    dice, link, number = random.Random(first), None, first
    async with running(Path(path)) as rig:
        while True:
            step = dice.random()
            if step < 0.4 and rig.commands.waiting("kitchen") < 50:
                await rig.commands.send("kitchen", "led", str(number), sender="user:1")
                say("taken", number)
                number += 1
            elif link is None:
                link = SayingLink()
                rig.presence.connected(link)
                rig.commands.ready("kitchen")
            elif step < 0.95 and link.acks:
                link.acknowledge()
            elif step >= 0.95:
                rig.presence.disconnected(link, "lost")
                link = None
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
