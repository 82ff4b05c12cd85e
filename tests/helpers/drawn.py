"""Figures as they are drawn: the words on them and their places."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from vlatent.figures.page import Page

Words = list[tuple[str, Bbox]]
Drawn = tuple[bytes, Words]


def noted(draw: Callable[[], object]) -> list[Drawn]:
    """The pages that are drawn, each with the words on it and where they are."""
    words, pages = Words(), list[Drawn]()
    encode, write = Page.png, Text.draw

    def note(text: Text, renderer: RendererBase) -> None:
        if text.get_visible() and text.get_text().strip():
            words.append((text.get_text(), text.get_window_extent(renderer)))
        write(text, renderer)

    def png(page: Page) -> bytes:
        words.clear()
        image = encode(page)
        pages.append((image, list(words)))
        return image

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", note)
        patch.setattr(Page, "png", png)
        draw()
    return pages


def check_whole(png: bytes, placed: Sequence[tuple[str, Bbox]]) -> None:
    """Words, and whatever else has a place, are all on the page and beside each other."""
    image = Image.open(io.BytesIO(png))
    for text, box in placed:
        assert 0 <= box.x0 <= box.x1 <= image.width, text
        assert 0 <= box.y0 <= box.y1 <= image.height, text
    for (one, first), (other, second) in combinations(placed, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert min(across, down) <= 1, (one, other)  # 1: letters do not fill their boxes
