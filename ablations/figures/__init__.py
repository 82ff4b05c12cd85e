"""The figures of an ablation, from plain numbers of its runs. Numbers first, drawing second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablations.figures.numbers import ArmLatents, Dose, ForestRow, in_figures


def ablation_figures(
    title: str,
    seeds: int,
    looks: int,
    comparisons: Sequence[ForestRow],
    doses: Mapping[str, Sequence[Dose]],
    latents: Sequence[ArmLatents],
    texts: Sequence[str],
) -> dict[str, bytes]:
    """The figures of an ablation as PNG by name: forest, dose_<prior>, latents and readings.

    Args:
        title: The ablation's question, written on every page.
        seeds: On how many each arm was to be trained: what lacks is shown.
        looks: How often its results were looked at, this time included.
        comparisons: Every statistic of the arms against the base.
        doses: The statistics against the factor of a prior's weight, by prior.
        latents: Latents of the sentences, by arm.
        texts: The sentences.
    """
    # Here, as matplotlib takes a second to import and most commands draw nothing.
    from ablations.figures.drawing import dose, forest, latents_by_arm
    from ablations.figures.readings import readings_by_arm

    pages = {"forest": forest(title, seeds, looks, comparisons)} if comparisons else {}
    for prior, curves in doses.items():
        pages[f"dose_{prior}"] = dose(title, seeds, prior, curves)
    if latents:
        pages["latents"] = latents_by_arm(title, latents, texts)
    if any(one.read for one in latents):
        pages["readings"] = readings_by_arm(title, texts[0], latents)
    return {name: page.png() for name, page in pages.items()}


__all__ = ["ArmLatents", "Dose", "ForestRow", "ablation_figures", "in_figures"]
