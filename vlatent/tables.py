"""Tables as text: Markdown, comma-separated values, and HTML for notebooks."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence


def as_markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; a bar within a cell stays a bar."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated values with a head line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def as_html(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], folded: str = ""
) -> str:
    """A table for a notebook, each row begun by its heading; everything is escaped.

    It has no script and no color of its own: it is read in light and dark themes alike.

    Args:
        title: What stands above it.
        columns: Headings of the columns; none for facts, a name and a value a row.
        rows: Cells, as many a row as there are columns.
        folded: HTML that is seen once it is opened, as further tables.
    """
    left = 'style="text-align: left; vertical-align: top"'
    heads = [f'<th scope="col" {left}>{html.escape(column)}</th>' for column in columns]
    lines = [f"<tr>{''.join(heads)}</tr>"] if heads else []
    for name, *cells in rows:
        told = "".join(f"<td {left}>{html.escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row" {left}>{html.escape(name)}</th>{told}</tr>')
    made = f"<p><strong>{html.escape(title)}</strong></p>\n<table>\n" + "\n".join(lines)
    return f"{made}\n</table>\n{folded}"


def as_fold(title: str, inner: str) -> str:
    """HTML of which the title is seen, and the rest once it is opened."""
    return f"<details><summary>{html.escape(title)}</summary>\n{inner}</details>\n"
