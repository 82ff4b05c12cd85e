"""`vlatent train --config reading`: a decoder of a run, beside the same decoder of controls."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress

from vlatent import checkpoints
from vlatent.command_line import Parser
from vlatent.config import add_settings, build_of, flatten, to_yaml
from vlatent.config_files import with_configs_found
from vlatent.console import console, empty_table, progress_display, verdict_table
from vlatent.decoder import Decoder
from vlatent.decoder_run import (
    CONTROLS,
    FILE,
    DecoderRunConfig,
    Measured,
    judged_texts,
    keep_scores,
    known,
    opened,
    trained_beside,
)
from vlatent.evaluation import Verdict
from vlatent.evaluation.attention import attention_in_words, content_against_function, said_words
from vlatent.evaluation.confusion import Confusions, confusions
from vlatent.evaluation.reading import KINDS
from vlatent.evaluation.reading_criteria import Scores, judge_reading
from vlatent.figures.decoder_numbers import Scored
from vlatent.open_groups import given_flags
from vlatent.own_record import own_record
from vlatent.own_text_reading import read_own_text
from vlatent.reading_run import Frozen, Source, judged, readings, source
from vlatent.recording import verdict_metrics, verdict_summary
from vlatent.scenes.continuations import words_of
from vlatent.shapes import UserError
from vlatent.tables import as_markdown
from vlatent.tracking import Tracker, view_command
from vlatent.yaml_reader import read_settings_file

COLUMNS = ("shown", "split", "normalised", "fact F1", "exact", "nats a word")

NOISES = (0.1, 0.6, 1.0)  # under which the figure shows what is judged too


class Found(NamedTuple):
    """What was found of a decoder and its controls.

    Attributes:
        measured: What is judged.
        scored: The same, and more noise.
        losses: By what is shown, nats a word at the training steps.
        attention: How content words differ from function words, in words.
        confused: What was told and what was read in its place, of the last split without noise.
    """

    measured: Measured
    scored: list[Scored]
    losses: dict[str, dict[int, float]]
    attention: list[str]
    confused: Confusions


def is_of_decoder(arguments: Sequence[str]) -> bool:
    """Whether the arguments of `vlatent train`, or a config that they name, have `reading`."""
    for name, value in given_flags(list(with_configs_found(arguments))):
        if name.partition(".")[0] == "reading":
            return True
        if name == "config":
            with contextlib.suppress(UserError):  # which the parser explains
                if "reading" in read_settings_file(Path(value))[0]:
                    return True
    return False


def train_decoder_command(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent train",
        description="Train a decoder on the latents of a trained encoder, and the same decoder on "
        "controls, judge it on held-out sentences and record everything in MLflow.",
        own="reading",
        examples=("vlatent train --config reading --run runs/FOLDER",),
    )
    add_settings(parser, kind=DecoderRunConfig)
    config = build_of(parser.checked(arguments), DecoderRunConfig)
    run = opened(config)
    if run.config.data.train is not None:
        return read_own_text(run, config)
    texts = judged_texts(run, config)
    name = f"read {run.place.resolve().name}"
    with own_record(config.tracking, "read", name) as tracker, progress_display() as progress:
        tracker.params(flatten(config) | {"encoder": run.digest})
        tracker.text("config.yaml", to_yaml(config))
        found = _found(run, config, texts, tracker, progress)
        measured = found.measured
        verdict = judge_reading(measured["latent"])
        _record(run, config, found, verdict, tracker)
    passed = "PASS" if verdict.passed else "FAIL"
    console.print(verdict_table(verdict, f"{passed} after {config.reading.steps} steps"))
    table = empty_table("Clean / under noise", *COLUMNS, left=COLUMNS[:2])
    for row in _rows(measured):
        table.add_row(*row)
    console.print(table)
    for line in (*_by_kind(measured["latent"]), *found.attention):
        console.print(line, soft_wrap=True)
    console.print(f"Decoders, {FILE} and figures: {run.place}")
    if config.folder is None:
        place = shlex.quote(str(run.place))
        again = f'vlatent read {place} "A red cube is on a blue sphere."'
        console.print(f"Read a sentence: {again}", soft_wrap=True)
    console.print(f"Compare runs: {view_command(config.tracking)}", soft_wrap=True)
    return 0


def _found(
    run: Frozen,
    config: DecoderRunConfig,
    texts: Mapping[str, list[str]],
    tracker: Tracker,
    progress: Progress,
) -> Found:
    """Train a decoder of the latents and of each control; judge them clean and under noise."""
    found = Found({}, [], {}, [], {})
    settings, tokens = config.reading, _tokens_a_word(run)
    names = dict(sorted({settings.noise: ", noise", 0.0: ""}.items()))
    for shown, (trained_on, said) in CONTROLS.items():
        decoder, losses = trained_beside(run, config, trained_on, said, tracker, progress)
        found.losses[said] = {step: loss * tokens for step, loss in losses.items()}
        given = source(run, shown, settings.seed)
        views = found.measured[shown] = {}
        for split, part in texts.items():
            for noise in sorted({*names, *(NOISES if shown == "latent" else ())}):
                scores = judged(run, decoder, given, part, noise)
                found.scored.append(Scored(said, split, noise, scores))
                if noise in names:
                    views[f"{split}{names[noise]}"] = scores
        if shown == "latent":
            found.attention.extend(_attention(run, decoder, given, next(iter(texts.values()))))
            told = list(texts.values())[-1]
            longest = run.corpus.config.max_length
            read = readings(run, decoder, given.latents(told), given.embed, longest)
            found.confused.update(confusions(read, told))
        accuracies = (
            f"{view} {scores['normalised']:.2f} (fact F1 {scores['fact_f1']:.2f})"
            for view, scores in views.items()
        )
        console.print(f"{said}: normalised accuracy {', '.join(accuracies)}", soft_wrap=True)
    return found


def _attention(run: Frozen, decoder: Decoder, given: Source, texts: Sequence[str]) -> list[str]:
    """How content words of held-out sentences are looked for, beside function words."""
    batch = run.corpus.encoded(texts).batch(range(len(texts)))
    ids = [row[own].tolist() for row, own in zip(batch.ids, batch.mask, strict=True)]
    latents = given.latents(texts)
    state = decoder.begin(latents, given.embed(latents))
    said = said_words(decoder, state, ids, run.corpus.tokenizer.decode)
    return attention_in_words(content_against_function(said))


def _tokens_a_word(run: Frozen) -> float:
    """Tokens that a decoder says for each word of a sentence, the end included."""
    texts = run.corpus.train.texts[:1000]
    tokens = int(run.corpus.encoded(texts).lengths.sum()) + len(texts)
    return tokens / sum(len(words_of(text)) for text in texts)


def _record(
    run: Frozen, config: DecoderRunConfig, found: Found, verdict: Verdict, tracker: Tracker
) -> None:
    """Keep scores, verdict and figure beside the decoders and in the tracker."""
    step, measured = config.reading.steps, found.measured
    tracker.metrics(verdict_metrics(verdict), step)
    rows = as_markdown(COLUMNS, _rows(measured))
    looked = "\n".join(found.attention)
    words = f"{verdict_summary(step, verdict)}\n\nClean / under noise:\n\n{rows}\n\n{looked}\n"
    keep_scores(run, measured, words, step, tracker)
    if config.tracking.figures:
        from vlatent.figures.confusion import confusion_figure
        from vlatent.figures.decoder import decoder_figure  # matplotlib takes half a second

        title, split = run.place.resolve().name, found.scored[-1].split
        for figure, png in (
            ("decoder", decoder_figure(title, found.scored, found.losses)),
            ("confusion", confusion_figure(title, f"{split}, without noise", found.confused)),
        ):
            checkpoints.write(run.place / f"{figure}.png", png)
            tracker.figure(figure, png)


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    """The scores of everything that was shown, between language model and ceiling."""
    splits = [view for view in measured["latent"] if "," not in view]
    for split in splits:
        own = measured["latent"][split]
        yield "nothing: language model", split, "0.00", "", "", f"{own['cross_entropy_floor']:.2f}"
        for shown, views in measured.items():
            seen = [scores for view, scores in views.items() if view.startswith(split)]
            numbers = (
                " / ".join(f"{scores[name]:.2f}" for scores in seen)
                for name in ("normalised", "fact_f1", "exact", "cross_entropy")
            )
            yield CONTROLS[shown][1], split, *numbers
        yield "the meaning: ceiling", split, "1.00", "", "", f"{own['cross_entropy_ceiling']:.2f}"


def _by_kind(views: Mapping[str, Scores]) -> Iterator[str]:
    """What of the sentences was read right, kind by kind."""
    for view, scores in views.items():
        right = [f"{name} {value:.0%}" for name, value in known(scores).items() if name in KINDS]
        yield f"Read right, {view}: {', '.join(right)}."
