"""`vlatent read`: encode a sentence, and say what can be read from its latent."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt
from rich.progress import Progress
from rich.text import Text

from vlatent import checkpoints
from vlatent.command_line import Parser
from vlatent.console import CONTROLS, console, progress_display
from vlatent.decoder import Decoder
from vlatent.decoding import greedy, sampled
from vlatent.evaluation.attention import SaidWords, said_words
from vlatent.evaluation.marking import Mark, marked
from vlatent.evaluation.reading import fact_f1, rouge_l
from vlatent.noise import noisy
from vlatent.reader import ReadingConfig
from vlatent.reading_run import Frozen, frozen, kept_settings, source, trained_decoder
from vlatent.scenes import about_blocks
from vlatent.shapes import Latents, UserError

STYLES: dict[Mark, str] = {True: "green", False: "bold red", None: ""}
TOP_P = 0.9  # of the readings that are drawn


class Reading(NamedTuple):
    """What a decoder makes of a sentence's latent.

    Attributes:
        latent: What it saw, noise included.
        read: The likeliest reading.
        drawn: Others.
        said: How it looked at the latent when it said the words of the likeliest.
    """

    latent: Latents
    read: str
    drawn: list[str]
    said: SaidWords


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent read",
        description="Encode a sentence, and read it back from its latent alone. The decoder that "
        "reads is trained on the run's frozen encoder when it is first asked, which takes minutes, "
        "and kept beside its checkpoint. "
        'Example: vlatent read runs/FOLDER "A red cube is on a blue sphere."',
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="The folder of a run.")
    parser.add_argument("text", type=str, metavar="SENTENCE", help="What to encode.")
    parser.add_argument(
        "--noise",
        type=NonNegativeFloat,
        default=0.0,
        help="Standard deviation of noise on the latent, in its own standard deviations.",
    )
    parser.add_argument(
        "--samples",
        type=NonNegativeInt,
        default=0,
        help="Readings to draw beside the likeliest one.",
    )
    parser.add_argument(
        "--steps",
        type=PositiveInt,
        help="Steps of the decoder's training; default: those of the one beside the run, or 1200.",
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Of noise and samples.")
    parser.add_argument(
        "--figure", type=Path, help="PNG file; default: reading.png in the folder of the run."
    )
    given = parser.checked(arguments)
    text: str = given["text"].strip()
    if not text:
        raise UserError("SENTENCE is empty; give one in quotes.")
    run = frozen(given["run"])
    is_first = run.decoder is None and kept_settings(run) is None
    with progress_display() as progress:
        decoder = _decoder(run, given["steps"], progress)
    found = _read(run, decoder, text, given["noise"], given["samples"], given["seed"])
    console.print(f"told  {text}", soft_wrap=True)
    for label, said in (("read", found.read), *(("drawn", each) for each in found.drawn)):
        console.print(_line(label, said, text), soft_wrap=True)
    score = _score(found.read, text)
    console.print(score)
    from vlatent.figures.reading import reading_figure  # matplotlib takes half a second

    figure: Path = given["figure"] or run.place / "reading.png"
    noise = f" · noise {given['noise']:g}" if given["noise"] else ""
    title = f"{run.place.resolve().name}{noise}"
    checkpoints.write(figure, reading_figure(title, text, score, *found))
    console.print(f"Written: {figure}", soft_wrap=True)
    if is_first:
        place = shlex.quote(str(given["run"]))
        again = f"vlatent read {place} {shlex.quote(text)} --samples 3 --noise 0.3"
        console.print(f"It reads at once from now on: {again}", soft_wrap=True)
    return 0


def _decoder(run: Frozen, steps: int | None, progress: Progress) -> Decoder:
    """The run's decoder, with a bar while it is trained.

    Raises:
        UserError: It learned beside the encoder, and cannot be trained longer without it.
    """
    if run.decoder is not None:
        if steps is not None:
            raise UserError(
                f"the decoder of {run.place} learned beside its encoder: leave --steps out."
            )
        return run.decoder
    kept = kept_settings(run)
    config = kept or ReadingConfig()
    config = replace(config, steps=steps or config.steps)
    bar = progress.add_task("encoding the training sentences", total=None)
    if kept is None:
        place = shlex.quote(str(run.place))
        console.print(f"Training a decoder for {place}: {config.steps} steps, once.")

    def report(step: int, loss: float) -> None:
        said = f"training the decoder, loss {loss:.2f}"
        progress.update(bar, total=config.steps, completed=step, description=said)

    return trained_decoder(run, config, report=report)


def _read(
    run: Frozen, decoder: Decoder, text: str, noise: float, samples: int, seed: int
) -> Reading:
    given, decode = source(run, "latent", 0), run.corpus.tokenizer.decode
    latent = noisy(given.latents([text]), noise, (seed,))
    state = decoder.begin(latent, given.embed(latent))
    longest = run.corpus.config.max_length
    ids = greedy(decoder, state, longest)
    drawn: list[list[int]] = []
    if samples:
        many = tuple(layer.at(torch.zeros(samples, dtype=torch.int64)) for layer in state)
        drawn = sampled(decoder, many, longest, TOP_P, torch.Generator().manual_seed(seed))
    said = said_words(decoder, state, ids, decode)
    return Reading(latent, decode(ids[0]), [decode(each) for each in drawn], said)


def _line(label: str, said: str, told: str) -> Text:
    """A reading: right words green, wrong ones red and, where there are no colors, in brackets."""
    line = Text(f"{label:<5} ")
    for word, mark in marked(" ".join(said.split()), told):  # a sample may break lines
        piece = word.translate(CONTROLS)
        plain = mark is False and not console.is_terminal
        line.append(f"[{piece}]" if plain else piece, style=STYLES[mark])
    return line


def _score(read: str, told: str) -> str:
    words = f"ROUGE-L {rouge_l(read, told):.2f}"
    if not about_blocks(told):
        return f"{words}; facts are not counted, as this is no sentence about blocks."
    f1 = fact_f1(read, told)
    return f"fact F1 {f1:.2f}{' (the same meaning)' if f1 == 1 else ''}, {words}"
