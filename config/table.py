"""What every table of the model is: frozen, typed, able to say where its settings contradict each
other.
"""

from collections.abc import Iterator

import msgspec

from gateway.config.complaints import KeyPath
from gateway.config.kinds import SECRET, kind_of

Fault = tuple[KeyPath, str]
"""Where inside a table settings contradict each other, and how."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of `gateway.toml`."""

    def faults(self) -> Iterator[Fault]:
        """Find what cannot go together, in settings that are each right by themselves."""
        return iter(())

    def __repr__(self) -> str:
        values = (f"{field.name}={_safe(field, self)}" for field in msgspec.structs.fields(self))
        return f"{type(self).__name__}({', '.join(values)})"


def _safe(field: msgspec.structs.FieldInfo, table: Table) -> str:
    """Keep secrets out of logs and tracebacks."""
    value = getattr(table, field.name)
    return "***" if value is not None and kind_of(field.type).marked(SECRET) else repr(value)
