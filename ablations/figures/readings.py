"""One sentence under every arm: its latent, and what a decoder reads from it."""

from __future__ import annotations

from collections.abc import Sequence

from ablations.figures.numbers import ArmLatents
from vlatent.evaluation.marking import marked
from vlatent.evaluation.reading import fact_f1
from vlatent.figures.drawing import BAD
from vlatent.figures.montage import GAP, mosaic_image
from vlatent.figures.numbers import mosaic
from vlatent.figures.page import GRAY, SMALL, Page
from vlatent.figures.reading import LEFT, WIDTH, Line, height_of, marked_lines, write_lines
from vlatent.scenes import about_blocks

SIDE, CHANNELS, LINES = 72, 12, 3  # pixels of a channel; channels, and lines of a reading, shown
NAME, BETWEEN = 20, 16  # pixels: an arm's name, and below its readings


def readings_by_arm(title: str, told: str, arms: Sequence[ArmLatents]) -> Page:
    """A block an arm: its name, the sentence's latent, the reading with right and wrong words.

    Args:
        title: The ablation's question.
        told: The sentence, the first of those whose latents are shown.
        arms: Latents and readings.
    """
    sentence = [("told", marked_lines([(told, None)]))]
    said = [[("read", _lines(arm.read[0], told))] if arm.read else [] for arm in arms]
    top = 72 + height_of(sentence) + BETWEEN
    heights = [NAME + SIDE + 6 + height_of(lines) + BETWEEN for lines in said]
    page = Page(WIDTH, top + sum(heights))
    words = "one sentence under every arm, one seed · green: right · bold and underlined: wrong"
    page.header(title, "Read back", words)
    write_lines(page, 72, sentence)
    for arm, lines, height in zip(arms, said, heights, strict=True):
        is_scored = arm.read and about_blocks(told)
        score = f" · fact F1 {fact_f1(arm.read[0], told):.2f}" if is_scored else ""
        page.text(LEFT, top, f"{arm.arm}{score}", weight="bold")
        below = top + NAME
        if arm.latent is None:
            page.text(LEFT, below, "failed: no latent", size=SMALL, color=BAD)
        else:
            shown = arm.latent[:1, ..., :CHANNELS]
            side = min(SIDE, (WIDTH - LEFT - 12) // shown.shape[-1] - GAP)
            page.text(12, below + SIDE / 2, "latent", color=GRAY, va="center")
            page.image(LEFT, below, mosaic_image(mosaic(shown), [0], side)[0])
        write_lines(page, below + SIDE + 6, lines)
        top += height
    return page


def _lines(read: str, told: str) -> list[Line]:
    """A reading with its marks; what does not come to an end is cut."""
    lines = marked_lines(marked(read, told))
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], [*lines[LINES - 1][:-2], (" …", None)]]
    return lines
