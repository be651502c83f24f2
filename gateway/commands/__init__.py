"""Commands: what is sent to devices, from the asking to the reply.

    queued -> sent -> delivered -> replied, or expired, or failed

Each change is a row and a `command` frame, committed together. A device gets its commands in order,
a few at a time over one link, again over the next one until it acknowledges or their time is over.
`delivered` is the device's acknowledgement. What the database holds is the truth: after a restart
all goes on from there.
"""

from gateway.commands.commands import Commands
from gateway.store.commands import AnswerTo, Command

__all__ = ["AnswerTo", "Command", "Commands"]
