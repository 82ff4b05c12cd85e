"""The figure of confusions: what was told, and what was read in its place, kind by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.patches import Rectangle

from vlatent.evaluation.confusion import AS_TOLD, EXCHANGED, HOLDS, NOT_READ, Confusions
from vlatent.figures.drawing import BAD, GOOD
from vlatent.figures.page import GRAY, INK, SMALL, Page, measured
from vlatent.scenes.words import COLORS, NUMBERS, RELATIONS, SHAPES

WIDTH, TOP, CELL, GAP = 1000, 80, 24, 36  # pixels; CELL is the height of one
ORDER = (*COLORS, *SHAPES, *NUMBERS.values(), *RELATIONS, *HOLDS.values())
LAST = (AS_TOLD, EXCHANGED, NOT_READ)


class Matrix(NamedTuple):
    """How often a word was told, row by row, and another read, column by column."""

    kind: str
    rows: list[str]
    columns: list[str]
    counts: list[list[int]]

    @property
    def label(self) -> int:
        """Pixels of the longest name of a row."""
        return round(max(measured(row, SMALL) for row in self.rows)) + 10

    @property
    def cell(self) -> int:
        """Pixels of a column."""
        return round(max(measured(column, SMALL) for column in self.columns)) + 10

    @property
    def width(self) -> int:
        return self.label + self.cell * len(self.columns)

    @property
    def height(self) -> int:
        return 44 + CELL * len(self.rows)


def confusion_figure(title: str, view: str, found: Confusions) -> bytes:
    """A matrix a kind of what is read: right, wrong and not read, darker the larger the share.

    Args:
        title: Name of the run.
        view: What was read.
        found: How often this was told and that read.
    """
    rows = _flow([each for each in matrices(found) if each.rows])
    heights = [max(each.height for each in row) + GAP for row in rows]
    page = Page(WIDTH, TOP + sum(heights))
    words = (
        f"{view} · rows: told · columns: read in its place · green: right, red: wrong, gray: not "
        "read · darker: more of the row"
    )
    page.header(title, "Told and read", words)
    top = TOP
    for row, height in zip(rows, heights, strict=True):
        left = 12
        for each in row:
            _draw(page, left, top, each)
            left += each.width + GAP
        top += height
    return page.png()


def matrices(found: Confusions) -> list[Matrix]:
    """The confusions of each kind, words in the order of the grammar, what was not read last."""
    made = []
    for kind, counts in found.items():
        rows = [word for word in ORDER if any(told == word for told, _ in counts)]
        read = {word for _, word in counts} | ({AS_TOLD, EXCHANGED} if kind == "order" else {*rows})
        columns = [word for word in (*ORDER, *LAST) if word in read]
        made.append(Matrix(kind, rows, columns, [[counts[r, c] for c in columns] for r in rows]))
    return made


def _flow(made: Sequence[Matrix]) -> list[list[Matrix]]:
    """Matrices side by side as far as they fit."""
    rows: list[list[Matrix]] = []
    left = WIDTH
    for each in made:
        if left + each.width > WIDTH - 12:
            rows.append([])
            left = 12
        rows[-1].append(each)
        left += each.width + GAP
    return rows


def _draw(page: Page, left: int, top: int, matrix: Matrix) -> None:
    page.text(left, top, matrix.kind, weight="bold")
    begin, below = left + matrix.label, top + 40
    for place, column in enumerate(matrix.columns):
        middle = begin + (place + 0.5) * matrix.cell
        page.text(middle, below - 4, column, size=SMALL, color=GRAY, ha="center", va="bottom")
    for line, (row, counts) in enumerate(zip(matrix.rows, matrix.counts, strict=True)):
        middle = below + (line + 0.5) * CELL
        page.text(begin - 8, middle, row, size=SMALL, ha="right", va="center")
        for place, (column, count) in enumerate(zip(matrix.columns, counts, strict=True)):
            if not count:
                continue
            color = GOOD if column in (row, AS_TOLD) else GRAY if column == NOT_READ else BAD
            across, share = begin + place * matrix.cell, count / sum(counts)
            _fill(page, (across, below + line * CELL, matrix.cell, CELL), color, 0.1 + 0.5 * share)
            centre = across + matrix.cell / 2
            page.text(centre, middle, f"{count}", size=SMALL, color=INK, ha="center", va="center")


def _fill(page: Page, box: tuple[int, int, int, int], color: str, alpha: float) -> None:
    left, top, width, height = box
    corner = (left / page.width, 1 - (top + height) / page.height)
    size = (width / page.width, height / page.height)
    where = page.figure.transFigure
    page.figure.add_artist(
        Rectangle(corner, *size, color=color, alpha=alpha, lw=0, transform=where, zorder=-1)
    )
