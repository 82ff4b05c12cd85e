"""`vlatent train --config reading` of a run on a text of one's own: how much of it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from rich.progress import Progress

from vlatent.config import flatten, to_yaml
from vlatent.console import console, empty_table, progress_display
from vlatent.corpus import Corpus
from vlatent.decoder import Decoder
from vlatent.decoder_run import (
    CONTROLS,
    FILE,
    DecoderRunConfig,
    Measured,
    keep_scores,
    trained_beside,
)
from vlatent.evaluation.chrf import chrf
from vlatent.evaluation.reading import rouge_l
from vlatent.noise import noisy
from vlatent.own_record import own_record
from vlatent.reader import Told
from vlatent.reading_run import Frozen, Shown, Source, read_in_parts, readings, source
from vlatent.shapes import UserError
from vlatent.tables import as_markdown
from vlatent.tracking import Tracker, view_command

SHOWN: dict[Shown, tuple[Shown, str]] = {
    "nothing": ("nothing", "nothing: language model"),
    **CONTROLS,
}
NAMES = ("token_accuracy", "perplexity", "chrf", "rouge_l", "exact")
COLUMNS = ("shown", "tokens right", "perplexity", "chrF", "ROUGE-L", "word for word")
LEFT_OUT = (
    "Left out, as they need sentences about blocks: fact F1, kinds, the accuracy between language "
    "model and ceiling, PASS or FAIL."
)
WITHOUT_CHRF = "chrF is left out: pip install 'vlatent[text]' brings the sacrebleu that counts it."


def read_own_text(run: Frozen, config: DecoderRunConfig) -> int:
    """Train a decoder of a run and of controls, and show how much of held-out texts each reads.

    Raises:
        UserError: A decoder may not say what stands in a held-out sentence.
    """
    texts = run.corpus.validation.texts[: config.sentences]
    if config.reading.decoder.restricted:
        _require_known(run.corpus, texts)
    name = f"read {run.place.resolve().name}"
    with own_record(config.tracking, "read", name) as tracker, progress_display() as progress:
        tracker.params(flatten(config) | {"encoder": run.digest})
        tracker.text("config.yaml", to_yaml(config))
        measured = _measured(run, config, texts, tracker, progress)
        rows = list(_rows(measured))
        is_whole = not math.isnan(measured["latent"]["clean"]["chrf"])
        lines = [LEFT_OUT] if is_whole else [LEFT_OUT, WITHOUT_CHRF]
        page = ["Held-out sentences, clean / under noise:", as_markdown(COLUMNS, rows), *lines, ""]
        keep_scores(run, measured, "\n\n".join(page), config.reading.steps, tracker)
    table = empty_table("Held-out sentences, clean / under noise", *COLUMNS, left=COLUMNS[:1])
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for line in lines:
        console.print(line)
    console.print(f"Decoders and {FILE}: {run.place}")
    console.print(f"Compare runs: {view_command(config.tracking)}", soft_wrap=True)
    return 0


def text_scores(
    run: Frozen, decoder: Decoder, given: Source, texts: Sequence[str], strength: float = 0.0
) -> dict[str, float]:
    """Judge a decoder on sentences about whatever they are.

    Returns:
        token_accuracy: share of tokens, the end included, that are the likeliest behind the true
        ones before; perplexity: exp of the mean of their -log probability; and of the greedy
        reading, which sees the latent alone, chrf and rouge_l, and exact, the share of sentences
        that are read word for word.
    """
    sentences = run.corpus.encoded(texts)
    batch = sentences.batch(range(len(texts)))
    latents = noisy(given.latents(texts), strength, (len(texts),))
    followed = read_in_parts(decoder, given.embed, Told(latents, batch.ids, batch.mask))
    longest = 2 * int(sentences.lengths.max())
    read = readings(run, decoder, latents, given.embed, longest)
    pairs = list(zip(read, texts, strict=True))
    counted = followed.counted
    return {
        "token_accuracy": float(followed.right[counted].double().mean()),
        "perplexity": float((-followed.log_probability[counted].double().mean()).exp()),
        "chrf": chrf(read, texts),
        "rouge_l": sum(rouge_l(*pair) for pair in pairs) / len(pairs),
        "exact": sum(said.split() == text.split() for said, text in pairs) / len(pairs),
    }


def _require_known(corpus: Corpus, texts: Sequence[str]) -> None:
    """Hold sentences to the tokens of training: of others the perplexity would be infinite."""
    batch = corpus.encoded(texts).batch(range(len(texts)))
    is_known = (torch.isin(batch.ids, corpus.train.tokens) | ~batch.mask).all(1).tolist()
    unknown = [text for text, known in zip(texts, is_known, strict=True) if not known]
    if unknown:
        raise UserError(
            f"{len(unknown)} of {len(texts)} held-out sentences have tokens that no training "
            f"sentence has, so that a restricted decoder cannot say them: {unknown[0][:50]!r}; "
            "give --reading.decoder.restricted false."
        )


def _measured(
    run: Frozen,
    config: DecoderRunConfig,
    texts: Sequence[str],
    tracker: Tracker,
    progress: Progress,
) -> Measured:
    """Scores of what is shown, clean and under the noise of the training."""
    measured: Measured = {}
    for shown, (trained_on, said) in SHOWN.items():
        decoder, _ = trained_beside(run, config, trained_on, said, tracker, progress)
        given = source(run, shown, config.reading.seed)
        measured[shown] = {
            view: text_scores(run, decoder, given, texts, strength)
            for view, strength in (("clean", 0.0), ("noise", config.reading.noise))
        }
        clean = measured[shown]["clean"]
        accuracy, perplexity = clean["token_accuracy"], clean["perplexity"]
        console.print(f"{said}: {accuracy:.0%} of tokens right, perplexity {perplexity:.3g}")
    return measured


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    for shown, views in measured.items():
        numbers = (
            " / ".join(_said(scores[name], name) for scores in views.values()) for name in NAMES
        )
        yield SHOWN[shown][1], *numbers


def _said(value: float, name: str) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.3g}" if name == "perplexity" else f"{value:.2f}"
