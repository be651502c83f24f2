"""From the tables of a TOML file to the typed model, with a complaint for everything that does not
fit.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from gateway.config.complaints import KeyPath, Places, header, meant, quoted, shown, shown_key
from gateway.config.environment import listed, structured
from gateway.config.kinds import READABLE, SECRET, Kind, kind_of
from gateway.config.model import Settings
from gateway.config.table import Table

T = TypeVar("T", bound=Table)


class Reader:
    """Reads tables by the model and collects every problem on the way rather than stopping at the
    first.
    """

    def __init__(self, directory: Path, places: Places) -> None:
        self.problems: list[str] = []
        self._directory = directory
        self._places = places

    def table(self, path: KeyPath, raw: object, model: type[T]) -> T | None:
        """Read one table and what stands inside it; None when there was anything to complain of."""
        raw = self._structured(path, raw)
        if not isinstance(raw, dict):
            self._complain(path, f"expected a table of settings, got {shown(raw)}")
            return None
        before = len(self.problems)
        fields = {field.encode_name: field for field in msgspec.structs.fields(model)}
        for key in [key for key in raw if key not in fields]:
            self._unknown(path, key, raw[key], fields)
        values = {field.name: self._field(path, raw, field) for field in fields.values()}
        return None if len(self.problems) > before else self._checked(path, model(**values))

    def _checked(self, path: KeyPath, table: T) -> T | None:
        before = len(self.problems)
        for inside, fault in table.faults():
            self._complain((*path, *inside), fault)
        return None if len(self.problems) > before else table

    def _field(self, path: KeyPath, raw: dict[str, Any], field: msgspec.structs.FieldInfo) -> Any:
        kind, where = kind_of(field.type), (*path, field.encode_name)
        if field.encode_name in raw:
            return self._value(where, raw[field.encode_name], kind)
        if field.required:
            self._complain(where, f"missing; expected {kind.expected}")
            return None
        if isinstance(field.default, Table):
            return self.table(where, {}, type(field.default))
        return self._directory / field.default if isinstance(field.default, Path) else field.default

    def _value(self, path: KeyPath, raw: object, kind: Kind) -> Any:
        if kind.table is None:
            return self._setting(path, raw, kind)
        model = cast("type[Table]", kind.table)
        return self._array(path, raw, model) if kind.many else self.table(path, raw, model)

    def _array(self, path: KeyPath, raw: object, model: type[Table]) -> tuple[Table | None, ...]:
        raw = self._structured(path, raw)
        if not isinstance(raw, list):
            self._complain(
                path, f"expected {header(path, array=True)} in doubled brackets, got {shown(raw)}"
            )
            return ()
        return tuple(self.table((*path, number), item, model) for number, item in enumerate(raw))

    def _setting(self, path: KeyPath, raw: object, kind: Kind) -> Any:
        from_environment = self._places.from_environment(path)
        if from_environment and isinstance(raw, str) and kind.many:
            raw = listed(raw)
        try:
            value = kind.read(raw, strict=not from_environment)
        except ValueError:
            found = "something else" if kind.marked(SECRET) else shown(raw)
            self._complain(path, f"expected {kind.expected}, got {found}")
            return None
        return self._file(path, value, kind) if isinstance(value, Path) else value

    def _file(self, path: KeyPath, file: Path, kind: Kind) -> Path:
        file = self._directory / file
        if kind.marked(READABLE):
            try:
                file.open("rb").close()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "not a file name"
                self._complain(path, f"expected {kind.expected}, got {quoted(str(file))}: {reason}")
        return file

    def _unknown(self, path: KeyPath, key: str, value: object, known: Iterable[str]) -> None:
        likely = meant(key, known)
        if path:
            hint = f"; did you mean {quoted(likely)}?" if likely else _homes(key)
            self._complain((*path, key), f"unknown key{hint}")
        elif isinstance(value, (dict, list)):
            hint = f"; did you mean {header((likely,))}?" if likely else ""
            self._complain((key,), f"unknown table{hint}")
        else:
            self._complain((), f"{shown_key(key)} stands outside of any table{_homes(key)}")

    def _structured(self, path: KeyPath, raw: object) -> object:
        return (
            structured(raw) if isinstance(raw, str) and self._places.from_environment(path) else raw
        )

    def _complain(self, path: KeyPath, problem: str) -> None:
        self.problems.append(f"{self._places.name(path)}: {problem}")


def _homes(key: str) -> str:
    """Name the tables that do have such a key, for one that stands in the wrong place."""
    tables = {field.encode_name: kind_of(field.type) for field in msgspec.structs.fields(Settings)}
    homes = [
        header((name,), array=kind.many)
        for name, kind in tables.items()
        if kind.table and key in {field.encode_name for field in msgspec.structs.fields(kind.table)}
    ]
    return f"; it belongs in {' or '.join(homes)}" if homes else ""
