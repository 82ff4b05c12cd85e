"""The figures of a study, from plain numbers of its trials. Numbers first, drawing second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studies.figures.search.trials import TrialRow
from vlatent.search_space import Axis


def search_figures(
    title: str,
    trials: Sequence[TrialRow],
    axes: Mapping[str, Axis],
    importances: Mapping[str, float] | None,
    label: str = "score",
) -> dict[str, bytes]:
    """The figures of a study as PNG: history, importances, parallel_coordinates, slices.

    Args:
        title: The study's question, written on every figure.
        trials: The trials that ended, in any number and order.
        axes: Range or choices of every searched parameter.
        importances: PED-ANOVA importance by parameter; None where nothing can be said.
        label: What the score of the trials is, of which more is better.
    """
    # Here, as matplotlib takes a second to import and most commands draw nothing.
    from studies.figures.search.history import history_page
    from studies.figures.search.importances import importances_page
    from studies.figures.search.parallel_coordinates import parallel_coordinates_page
    from studies.figures.search.slices import slices_page

    trials = sorted(trials, key=lambda trial: trial.number)
    axes = {
        name: axis.extended([trial.params[name] for trial in trials if name in trial.params])
        for name, axis in axes.items()
    }
    pages = {
        "history": history_page(title, trials, label),
        "importances": importances_page(title, trials, importances),
        "parallel_coordinates": parallel_coordinates_page(title, trials, axes, label),
        "slices": slices_page(title, trials, axes, label),
    }
    return {name: page.png() for name, page in pages.items()}


__all__ = ["TrialRow", "search_figures"]
