"""What commands print in a notebook: one line that changes, with all others folded behind it."""

from __future__ import annotations

import html
import io
from collections import deque
from typing import Any

from vlatent.tables import as_fold

LINES = 500  # kept: each new one sends them all


class CellLog(io.StringIO):
    """A stream that shows the text of the running cell as one output, which grows."""

    def __init__(self) -> None:
        super().__init__()
        self._cell: int | None = None
        self._lines: deque[str] = deque(maxlen=LINES)
        self._output: Any = None

    def write(self, text: str, /) -> int:
        from IPython import get_ipython
        from IPython.display import display

        lines = text.rstrip().splitlines()
        if not lines:
            return len(text)
        cell = get_ipython().execution_count
        if cell != self._cell:
            self._cell, self._output = cell, None
            self._lines.clear()
        self._lines.extend(lines)
        whole = "\n".join(self._lines)
        first, *others = (line for line in lines if line.strip())
        latest = f"{first.rstrip()} …" if others else first
        shown = {"text/html": as_fold(latest, f"<pre>{html.escape(whole)}</pre>\n")}
        shown["text/plain"] = whole
        if self._output is None:
            self._output = display(shown, raw=True, display_id=True)
        else:
            self._output.update(shown, raw=True)
        return len(text)
