"""HTML tables that sort, and the small pieces that cells are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Cell", "badge", "number", "table", "text"]


@dataclass(frozen=True)
class Cell:
    """Markup of a cell; `value` is the number to sort by, `None` sorts by the words."""

    markup: str
    value: float | None = None
    wraps: bool = False


def text(words: object, wraps: bool = False) -> Cell:
    """A cell of words; nothing for `None`."""
    return Cell("" if words is None else escape(str(words)), wraps=wraps)


def number(value: float | None, words: str) -> Cell:
    """A cell that shows `words` and sorts by `value`; a dash where there is no value."""
    return Cell("–" if value is None else escape(words), value)  # noqa: RUF001 (a dash is meant)


def badge(words: str, kind: str = "") -> str:
    """Words in a rounded frame: `good`, `bad`, `warn` or plain."""
    return f'<span class="badge {kind}">{escape(words)}</span>'


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], label: str) -> str:
    """A table whose headings sort it; wide ones scroll inside their own frame."""
    listed = [list(row) for row in rows]
    numeric = [
        bool(listed) and all(row[i].value is not None or row[i].markup == "–" for row in listed)  # noqa: RUF001
        for i in range(len(headings))
    ]

    def mark(column: int, cell: Cell | None = None) -> str:
        if numeric[column]:
            return ' class="number"'
        return ' class="wrap"' if cell is not None and cell.wraps else ""

    head = "".join(
        f'<th scope="col"{mark(i)}>{escape(words)}</th>' for i, words in enumerate(headings)
    )
    body = []
    for row in listed:
        cells = []
        for i, cell in enumerate(row):
            value = "" if cell.value is None else f' data-v="{cell.value:.12g}"'
            cells.append(f"<td{mark(i, cell)}{value}>{cell.markup}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="sorts"><thead><tr>{head}</tr></thead>\n<tbody>'
        + "\n".join(body)
        + "</tbody></table></div>"
    )
