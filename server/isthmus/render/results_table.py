"""Records as rows: the form that uniform lists take before anything of them is left out.

    result: 3 records, each a row of ["id","title","open"]:
    [1,"Crash at start",true]
    [2,"Typo",false]
    [3,"Slow search",true]

The keys stand once instead of in every record, which saves a third to a half of the tokens. Every row is JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isthmus.render.results_text import count, encode
from isthmus.render.truncate import MARK, shorten

FEWEST = 4
"""Records: below this rows gain nothing."""

MOST_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Table:
    """Records of the same keys in the same order, whose values are no containers."""

    columns: tuple[str, ...]
    records: list[dict[str, Any]]

    @classmethod
    def of(cls, value: Any) -> Table | None:
        """The value as a table, if it is a list of uniform flat records."""
        if not isinstance(value, list) or len(value) < FEWEST or not isinstance(value[0], dict):
            return None
        columns = tuple(value[0])
        if not 0 < len(columns) <= MOST_COLUMNS:
            return None
        return cls(columns, value) if all(_is_flat(record, columns) for record in value) else None

    def text(self) -> str:
        """All rows."""
        return "\n".join([f"result: {self._heading()}", *(encode([*record.values()]) for record in self.records)])

    def shortened(self, room: int) -> str:
        """First and last rows, as many as fit into `room` characters; long strings in them are shortened."""
        each = max(room // 8, 60)
        head = self._rows(0, 1, room - room // 4, each, len(self.records))
        tail = self._rows(-1, -1, room // 4, each, len(self.records) - len(head))
        left = len(self.records) - len(head) - len(tail)
        mark = [f"  {MARK} {count(left, 'row')} left out {MARK}"] if left else []
        return "\n".join([f"result (shortened): {self._heading()}", *head, *mark, *reversed(tail)])

    def _heading(self) -> str:
        return f"{count(len(self.records), 'record')}, each a row of {encode([*self.columns])}:"

    def _rows(self, start: int, step: int, room: int, each: int, most: int) -> list[str]:
        rows: list[str] = []
        while len(rows) < most:
            row = encode(shorten([*self.records[start + step * len(rows)].values()], each))
            room -= len(row) + 1
            if room < 0 and rows:
                break
            rows.append(row)
        return rows


def _is_flat(record: Any, columns: tuple[str, ...]) -> bool:
    return (
        isinstance(record, dict)
        and tuple(record) == columns
        and not any(isinstance(item, dict | list) for item in record.values())
    )
