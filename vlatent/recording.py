"""What a run records with its tracker: settings, measurements, figures and files."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vlatent import checkpoints, run_record
from vlatent.config import Config, flatten, to_yaml
from vlatent.corpus import Corpus, Triples, corpus_fingerprint
from vlatent.dependence import in_words
from vlatent.evaluation import Evaluation, Verdict, encode_judged, score
from vlatent.figures import (
    EncodedSplit,
    mean_spectrum,
    meaning_figures,
    round_trip_figures,
    run_figures,
)
from vlatent.figures.meaning_numbers import FARTHEST, TRIPLES, Rows, robustness
from vlatent.fingerprints import corpus_digests, fingerprint
from vlatent.jitter import shifted
from vlatent.meaning import DIRECTIONS, compared, encode_triples
from vlatent.objective import Loss
from vlatent.tables import as_markdown
from vlatent.tracking import Tracker

BY_CHANNEL = "statistic_by_channel"  # MLflow charts what has a prefix in common in one place
PACKAGES = ("vlatent", "torch", "numpy", "tokenizers", "transformers", "optuna", "mlflow")


def describe(
    tracker: Tracker, config: Config, corpus: Corpus, model: nn.Module, placement: str
) -> None:
    """Everything that is known before the first step."""
    read = corpus_fingerprint(corpus_digests(config, corpus))
    tracker.params(flatten(config))
    tracker.text("config.yaml", to_yaml(config))
    tracker.dataset(
        str(config.data.train or "colored blocks"),
        read,
        str(config.data.train or "vlatent.scenes"),
        {"training": len(corpus.train), "validation": len(corpus.validation)},
    )
    tracker.tags(
        {f"version.{name}": version for name in PACKAGES if (version := _version(name))}
        | {
            "version.python": platform.python_version(),
            "placement": placement,
            "seed": config.training.seed,
            "corpus": read,
            "config": fingerprint(config),
            "vocabulary": corpus.vocabulary_size,
            "parameters": sum(value.numel() for value in model.parameters()),
        }
    )


def training_metrics(terms: Loss, norm: Tensor, rate: float) -> dict[str, float]:
    """One step's loss, its terms before and after their weights, and the gradient's norm."""
    values = {"loss": terms.total.item(), "gradient_norm": norm.item(), "learning_rate": rate}
    values |= {f"penalty/{name}": value.item() for name, value in terms.penalties.items()}
    return values | {f"weighted/{name}": value.item() for name, value in terms.weighted.items()}


def evaluation_metrics(evaluation: Evaluation, verdict: Verdict) -> dict[str, float]:
    """One evaluation's score and margins, its statistics per prior and per channel.

    What matters most comes first: MLflow's pages list metrics in the order in which a run first
    wrote them, and compare runs by the first.
    """
    metrics = {"score": score(evaluation, verdict)} | verdict_metrics(verdict) | evaluation.metrics
    for name, values in evaluation.channels.items():
        metrics[f"statistic/{name}"] = sum(values) / len(values)
    for name, values in evaluation.channels.items():
        metrics |= {f"{BY_CHANNEL}/{name}_{index}": value for index, value in enumerate(values)}
    return metrics


def verdict_metrics(verdict: Verdict) -> dict[str, float]:
    """Whether a verdict is passed, and all its margins, the worst first."""
    metrics = {"passed": float(verdict.passed), "margin/worst": verdict.worst}
    return metrics | {f"margin/{c.name}": c.margin for c in verdict.criteria}


def conclude(
    tracker: Tracker,
    folder: Path,
    config: Config,
    model: nn.Module,
    corpus: Corpus,
    history: Sequence[Evaluation],
    log: Sequence[Mapping[str, float]],
) -> None:
    """Keep a run's evaluations, verdict and mean spectrum in its folder and in the tracker.

    Figures are drawn unless the config wants none.
    """
    digests = corpus_digests(config, corpus)
    record = run_record.run_record(history, config.training.steps, config.priors, digests)
    verdict = record.verdict
    latent, fixed = encode_judged(model, corpus, config.evaluation)
    words = summary(history[-1], verdict)
    for name, content in (
        ("verdict.md", words),
        (run_record.FILE, record.to_json()),
        (mean_spectrum.NAME, mean_spectrum.mean_spectrum(latent).to_text()),
    ):
        checkpoints.write(folder / name, content)
        tracker.text(name, content)
    tracker.note(words)
    if not config.tracking.figures:
        return
    drawn = run_figures(folder.name, latent, fixed, corpus.fixed.texts, history, log, verdict)
    if config.evaluation.retrieved:
        encoded = {
            split: _encoded_split(model, config, triples)
            for split, triples in config.evaluation.sentences_of(corpus).splits.items()
        }
        drawn |= meaning_figures(folder.name, history, encoded)
    drawn |= round_trip_figures(folder.name, history, log)
    for name, png in drawn.items():
        checkpoints.write(folder / f"{name}.png", png)
        tracker.figure(name, png)


def _encoded_split(model: nn.Module, config: Config, triples: Triples) -> EncodedSplit:
    """What is drawn of one split."""
    size, count, on = config.evaluation.batch_size, config.evaluation.retrieved, config.terms.on
    encoded = encode_triples(model, triples, size, count)
    parts = (encoded.originals, encoded.paraphrases, encoded.counterfactuals)
    own, same, other = (
        compared(model, part, on).numpy() if len(part) else np.empty((0, 0)) for part in parts
    )

    def moved(far: int) -> Iterator[Rows]:
        for down, across in DIRECTIONS:
            latent = shifted(encoded.paraphrases, far * down, far * across)
            yield compared(model, latent, on).numpy()

    held = robustness(same, own, map(moved, range(FARTHEST + 1)))
    texts = (triples.originals.texts, triples.paraphrases.texts, triples.counterfactuals.texts)
    latents = torch.stack([part[:TRIPLES] for part in parts if len(part)], dim=1).numpy()
    rows = list(zip(*filter(None, texts), strict=True))
    return EncodedSplit(rows[:count], own, same, other, held, latents)


def summary(evaluation: Evaluation, verdict: Verdict) -> str:
    """The verdict as Markdown: one line a criterion, then the dependence on the text."""
    return f"{verdict_summary(evaluation.step, verdict)}\n\n{in_words(evaluation.metrics)}\n"


def verdict_summary(step: int, verdict: Verdict) -> str:
    """The same without the dependence."""
    rows = [(c.name, c.wanted, c.found, "pass" if c.holds else "FAIL") for c in verdict.criteria]
    table = as_markdown(("criterion", "wanted", "found", ""), rows)
    return f"**{'PASS' if verdict.passed else 'FAIL'}** after {step} steps\n\n{table}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
