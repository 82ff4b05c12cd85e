"""The figures of a run: only `figures` folders import matplotlib. Numbers first, drawing second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from vlatent.evaluation import Evaluation, Verdict
from vlatent.evaluation.round_trip_criteria import judged
from vlatent.figures import numbers
from vlatent.figures.meaning_numbers import EncodedSplit
from vlatent.figures.round_trip_numbers import cross_entropies
from vlatent.shapes import Latents


def run_figures(
    title: str,
    latent: Latents,
    fixed: Float[Tensor, "fixed height width channel"],
    texts: Sequence[str],
    history: Sequence[Evaluation],
    log: Sequence[Mapping[str, float]],
    verdict: Verdict,
) -> dict[str, bytes]:
    """All figures of a run as PNG, by name; a diverged run gets them too.

    Args:
        title: Name of the run, written on every figure.
        latent: Latents of the held-out sentences, as judged at the end.
        fixed: Latents of the fixed sentences.
        texts: The fixed sentences.
        history: The run's evaluations, at least one.
        log: The run's training rows, possibly none.
        verdict: The verdict at the end.
    """
    # Here, since importing matplotlib takes half a second.
    from vlatent.figures import drawing
    from vlatent.figures.montage import montage
    from vlatent.figures.overview import overview

    spectra = numbers.spectra(latent)
    mosaic = numbers.mosaic(fixed)
    correlation = numbers.correlation(latent)
    training = numbers.training(log)
    slopes = numbers.slopes(history)
    pages = {
        "overview": overview(
            title, verdict, history[-1], spectra, mosaic, texts, slopes, training, correlation
        ),
        "spectrum": drawing.spectrum(title, spectra),
        "montage": montage(title, mosaic, texts, spectra),
        "gradients": drawing.gradients(title, numbers.gradient_histogram(latent)),
        "correlation": drawing.correlation(title, correlation),
        "training": drawing.training(title, training),
        "slopes": drawing.slopes(title, slopes),
    }
    return {name: page.png() for name, page in pages.items()}


def meaning_figures(
    title: str, history: Sequence[Evaluation], splits: Mapping[str, EncodedSplit]
) -> dict[str, bytes]:
    """The figures of what latents show of the text as PNG, by name, if sentences are retrieved.

    Args:
        title: Name of the run.
        history: The run's evaluations.
        splits: Held-out triples by the name of their split, at least one.
    """
    from vlatent.figures.meaning import meaning, triples

    pages = {"meaning": meaning(title, history, splits), "triples": triples(title, splits)}
    return {name: page.png() for name, page in pages.items()}


def round_trip_figures(
    title: str, history: Sequence[Evaluation], log: Sequence[Mapping[str, float]]
) -> dict[str, bytes]:
    """The figure of what is read back while a decoder learns, by name; none where none does.

    Args:
        title: Name of the run.
        history: The run's evaluations, at least one.
        log: The run's training rows, possibly none.
    """
    losses = cross_entropies(history, log)
    if not judged(history[-1].metrics) or not np.isfinite(losses).any():
        return {}
    from vlatent.figures.round_trip import round_trip

    return {"round_trip": round_trip(title, history, log).png()}


__all__ = ["EncodedSplit", "meaning_figures", "round_trip_figures", "run_figures"]
