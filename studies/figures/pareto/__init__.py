"""The front of a study with several objectives, from plain numbers. Numbers first, drawing second.

A trial is on the front when no other is as good in every objective and better in one.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.figures.pareto.points import Point
from studies.result import Objective
from vlatent.pareto import front


def pareto_figure(title: str, objectives: Sequence[Objective], points: Sequence[Point]) -> bytes:
    """Every pair of two or more objectives in a panel: all trials, front, knee and confirmation.

    Args:
        title: The study's question, written above.
        objectives: What is optimised.
        points: The trials that were trained to the end, none, one or more.
    """
    # Here, as matplotlib takes a second to import and most commands draw nothing.
    from studies.figures.pareto.drawing import pareto_page

    return pareto_page(title, objectives, points).png()


__all__ = ["Objective", "Point", "front", "pareto_figure"]
