"""The table of all settings, read from the model: what README, documentation and `gateway check`
print.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from gateway.config.complaints import KeyPath, header, variable
from gateway.config.kinds import Kind, kind_of
from gateway.config.model import Settings


@dataclass(frozen=True, slots=True)
class Key:
    """One setting; `default` as in the file, or `none` or `required`; `variable` is empty inside
    arrays.
    """

    table: str
    name: str
    type: str
    default: str
    help: str
    variable: str


def reference() -> list[Key]:
    """List every setting in the order of the model."""
    return list(_keys((), Settings, array=False, many=False))


def _keys(path: KeyPath, table: type[msgspec.Struct], *, array: bool, many: bool) -> Iterator[Key]:
    fields = [(field, kind_of(field.type)) for field in msgspec.structs.fields(table)]
    for field, kind in fields:
        if kind.table is None:
            yield _key((*path, field.encode_name), field, kind, array=array, many=many)
    for field, kind in fields:
        if kind.table is not None:
            inside = (*path, field.encode_name)
            yield from _keys(inside, kind.table, array=array or kind.many, many=kind.many)


def _key(
    path: KeyPath, field: msgspec.structs.FieldInfo, kind: Kind, *, array: bool, many: bool
) -> Key:
    *around, name = path
    # Only the array itself has doubled brackets: [[rules]] holds [rules.command].
    table = header(tuple(around), array=many)
    return Key(
        table,
        str(name),
        kind.expected,
        _default(field, kind),
        kind.help,
        "" if array else variable(path),
    )


def _default(field: msgspec.structs.FieldInfo, kind: Kind) -> str:
    if field.required:
        return "required"
    return "none" if field.default is None else kind.write(field.default)
