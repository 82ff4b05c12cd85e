"""The commands that work on one encoder: `vlatent train`, `vlatent evaluate`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlatent import checkpoints, recording
from vlatent.command_line import Parser
from vlatent.config import Config, add_settings, build, from_yaml, override
from vlatent.console import (
    console,
    dependence_lines,
    print_evaluation,
    progress_display,
    reading_commands,
    reading_table,
    verdict_table,
)
from vlatent.corpus import Corpus, changed_parts, load
from vlatent.evaluation import Evaluation, Verdict, evaluate, judge
from vlatent.fingerprints import corpus_digests
from vlatent.joint import averaged_decoder, joint_of
from vlatent.models import begin_with, require_same_corpus, state_to_resume, trained_model
from vlatent.own_encoder import encoder_of
from vlatent.own_record import own_record
from vlatent.preparation import corpus_for, corpus_lines, placement
from vlatent.reading_command import is_of_decoder, train_decoder_command
from vlatent.result import Result
from vlatent.run_folders import claimed_folder
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.tracking import MemoryTracker, view_command
from vlatent.training import train


def train_command(arguments: Sequence[str]) -> int:
    if is_of_decoder(arguments):
        return train_decoder_command(arguments)
    parser = Parser(
        prog="vlatent train",
        description="Train one encoder on the image priors, judge it on held-out sentences and "
        "record everything in MLflow. With --config reading, train a decoder of a trained one.",
        own="training",
        examples=(
            "vlatent train --config quick --training.steps 500",
            "vlatent train --config quick --training.resume runs/FOLDER",
        ),
    )
    add_settings(parser)
    parser.add_argument(
        "--run", type=Path, help="The same as --training.start: a run whose weights are the first."
    )
    given = parser.checked(arguments)
    config = build(given)
    if given["run"] is not None:
        config = override(config, {"training.start": given["run"]})
    if not any(part.weight for _, part in (*config.priors, *config.terms)):
        raise UserError(
            "every weight of priors.* and terms.* is 0, so there is nothing to train: set one, "
            "--priors.spectrum.weight 0.5 for instance."
        )
    placement(config.training)  # bad input is found before anything is recorded
    corpus = corpus_for(config)
    console.print(corpus_lines(config, corpus), markup=False)
    if config.training.resume is not None:
        state_to_resume(config.training.resume, config, corpus)
    elif config.training.start is not None:
        console.print(_beginning(config, corpus), soft_wrap=True)
    folder = claimed_folder(config.training)
    config = override(config, {"training.folder": folder})
    result = _recorded(config)
    last = result.history[-1]
    _close(result.verdict, last)
    console.print(f"{result.seconds:.0f} s. Checkpoint, config and figures: {result.folder}")
    again = f"vlatent evaluate --checkpoint {shlex.quote(str(result.folder))}"
    console.print(f"Judge it again: {again}", soft_wrap=True)
    for line in reading_commands(last, result.folder):
        console.print(line, soft_wrap=True)
    console.print(f"Compare runs: {view_command(config.tracking)}", soft_wrap=True)
    return 0


def _beginning(config: Config, corpus: Corpus) -> str:
    """With what a run begins that has the weights of another one.

    Raises:
        UserError: The other run cannot be used.
    """
    place = config.training.start
    assert place is not None
    model = encoder_of(config.encoder, corpus.vocabulary_size)
    joint = joint_of(config, corpus, model)
    has_decoder = begin_with(place, corpus, model, joint)
    decoder = "and its decoder" if has_decoder else "and a new decoder, as it has none"
    return f"Begins with the encoder of {place}{'' if joint is None else f' {decoder}'}."


def _recorded(config: Config) -> Result:
    """Train a run that is recorded, and whose record is closed however it ends.

    Raises:
        UserError: It diverged.
    """
    assert config.training.folder is not None
    try:
        with own_record(
            config.tracking, "train", f"train {config.training.folder.name}"
        ) as tracker:
            if config.training.compile:
                console.print("The first step compiles the encoder, which takes a minute or two.")
            with progress_display() as progress:
                report = None if console.is_terminal else print_evaluation
                return train(config, tracker, report, progress)
    except Diverged as error:
        raise UserError(str(error)) from None


def evaluate_command(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent evaluate",
        description="Judge the averaged weights of a checkpoint on held-out sentences, its own or "
        "those of another file. Example: vlatent evaluate --checkpoint runs/FOLDER --out judged",
    )
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="A checkpoint, or the folder of a run."
    )
    parser.add_argument(
        "--validation",
        type=Path,
        help="Other sentences (.txt or .jsonl) to judge it on, by the criteria of phase 1.",
    )
    parser.add_argument(
        "--out", type=Path, help="Folder for figures and verdict; default: that of the checkpoint."
    )
    given = parser.checked(arguments)
    place: Path = given["checkpoint"]
    state = checkpoints.load(place)
    config = from_yaml(state["config"])
    corpus = load(config.data)
    others: Path | None = given["validation"]
    _require_readable(state, config, corpus, place, whole=others is None)
    if others is not None:
        # Of these no paraphrase is known, and no study has seen any.
        config = override(config, {"evaluation.retrieved": 0, "evaluation.held_out": "search"})
        corpus = corpus.judging(others)
    averaged = trained_model(state, corpus.vocabulary_size)
    history = [Evaluation(**evaluation) for evaluation in json.loads(state["history"])]
    step = state["step"]
    evaluation = evaluate(
        *(step, averaged, corpus, config.evaluation, config.priors, config.terms),
        last=True,
        decoder=averaged_decoder(state, config, corpus, averaged),
    )
    history = [*history[:-1], evaluation]
    verdict = judge(history, config.training.steps, config.priors)
    out = given["out"] or (place if place.is_dir() else place.parent)
    config = override(config, {"tracking.figures": True})
    recording.conclude(
        MemoryTracker(), out, config, averaged, corpus, history, json.loads(state["log"])
    )
    _close(verdict, evaluation)
    console.print(f"Figures and verdict: {out}")
    return 0


def _require_readable(
    state: Mapping[str, Any], config: Config, corpus: Corpus, place: Path, whole: bool
) -> None:
    """Refuse a checkpoint of another corpus; of other sentences it must know the tokens."""
    if "corpus" not in state:
        console.print("An older checkpoint: whether its sentences are still the same is not known.")
        return
    tokenizer = {"tokenizer": corpus.tokenizer.digest}
    knows_tokens = not changed_parts(state["corpus"], tokenizer)
    otherwise = ", or judge it on other sentences: --validation FILE" if knows_tokens else ""
    read = corpus_digests(config, corpus) if whole else tokenizer
    require_same_corpus(state, read, place, otherwise=otherwise)


def _close(verdict: Verdict, evaluation: Evaluation) -> None:
    passed = "PASS" if verdict.passed else "FAIL"
    console.print(verdict_table(verdict, f"{passed} after {evaluation.step} steps"))
    if table := reading_table(evaluation):
        console.print(table)
    for line in dependence_lines(evaluation):
        console.print(line)
