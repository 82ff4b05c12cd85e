"""The report of a study, written from its result and its trials."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.progress import Progress

from analysis.importance import text as importance_text
from analysis.importance.compute import importance
from analysis.importance.figures import figures
from analysis.report.page import (
    Answer,
    Document,
    code,
    escaped,
    figure,
    inline_code,
    markdown_table,
)
from analysis.runs import artifact, recorded_text
from analysis.trials import Study, Trial
from studies.result import Finalist, StudyResult, TrialResult
from studies.text import certainty, headline, passes, summary, verification_words
from vlatent.intervals import bracket
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig, artifact_paths

ABOUT = {
    "encoder": "A small encoder maps every sentence to a latent of a few channels. It never "
    "sees an image: the *priors*, penalties, pull its latents towards the statistics of "
    "photographs. How strongly each prior pulls decides whether that works.",
    "decoder": "A decoder learns to say a sentence from its latent alone; the encoder stays fixed.",
    "problem": "A loss is a sum of terms, each times a weight. Which weights serve best is "
    "searched: every trial is one run with other weights, on the same seed.",
}
FORMS = {"encoder": ".3f", "decoder": ".3g", "problem": ".3g"}  # of values
OF_ENCODERS = (
    (
        "channels in band",
        "how many channels have a power spectrum that falls like that of photographs "
        "(slope alpha between 1.5 and 2.5, and a straight line at all); the most important number",
    ),
    (
        "score",
        "what the study maximises: channels in band, and behind the decimal point how close "
        "everything else is. It never depends on the weights",
    ),
)
WORDS = (
    (
        "margin",
        "how far a criterion is from its limit, in units of its tolerance: 0 or less "
        "holds, and the lower the safer",
    ),
    (
        "confirmed",
        "trained again on random seeds, and judged on sentences where there are any, that the "
        "search never saw; brackets hold 95 % intervals over these seeds",
    ),
    (
        "test",
        "the leader once more, on seeds and sentences that neither the search nor the confirmation "
        "saw: nothing was chosen by them",
    ),
    (
        "pruned",
        "stopped early, because others were ahead of it at the same step; revived: trained on from "
        "there, since the others turned out worse",
    ),
    (
        "steps to pass",
        "the first evaluation from which every criterion held to the end of the run",
    ),
)
SHOWN = {
    "history": "Scores by trial, and which criteria each trial violated",
    "slices": "Score against every searched value",
    "parallel_coordinates": "All searched values of every trial, colored by score",
    "front": "The front: what one objective costs in another",
}


def study_document(
    study: Study, run: RecordedRun, tracking: TrackingConfig, progress: Progress | None = None
) -> Document:
    """The report of a study from its trials and from its own run in the tracker."""
    result, leader = study.result, study.result.leading
    paths = artifact_paths(tracking, run.run_id)
    parts: list[str] = []
    shown: dict[str, bytes] = {}
    if result.test is not None:
        parts += ["## Test", _trained_again(result, [result.test])]
    if leader is not None:
        parts += ["## Verdict in the search", _verdict(result, leader)]
        if result.workload == "encoder":
            parts.append(_overview(study.name, leader, tracking, shown))
    for name in ("best.yaml", "nearest.yaml"):
        if name in paths and (text := recorded_text(tracking, run, name)) is not None:
            parts += ["## Config", f"`{name}` among the run's artifacts:", code(text, "yaml")]
    if result.finalists:
        parts += ["## Confirmation", _trained_again(result, result.finalists)]
    for verification in result.verifications:
        words = escaped(verification_words(result, verification))
        table = _trained_again(result, verification.trials)
        parts += [f"## On {escaped(verification.name)}", words, table]
    drawn = [name for name in SHOWN if f"figures/{name}.png" in paths]
    parts += ["## Search"] if drawn else []
    for name in drawn:
        shown[f"{name}.png"] = artifact(tracking, run.run_id, f"figures/{name}.png")
        parts.append(figure(f"{name}.png", SHOWN[name]))
    parts += _importance(study, shown, progress)
    parts += ["## All trials", _trials(study)]
    parts += ["## How to get these numbers again", _again(study, run)]
    parts += ["## Words", _words(result)]
    return Document(
        title=result.text if result.text != study.name else f"Study {study.name}",
        kind="study",
        answers=_answers(result),
        body="\n\n".join(part for part in parts if part),
        figures=shown,
    )


def _words(result: StudyResult) -> str:
    words = (*OF_ENCODERS, *WORDS) if result.workload == "encoder" else WORDS
    return "\n".join(f"- *{word}*: {meaning}." for word, meaning in words)


def _answers(result: StudyResult) -> list[Answer]:
    return [
        Answer("What was asked", f"{escaped(result.text)}\n\n{ABOUT[result.workload]}"),
        Answer("What was found", f"{escaped(headline(result))}\n\n{escaped(summary(result))}"),
        Answer("How sure that is", _sure(result)),
        Answer("What to do with it", _next(result)),
    ]


def _next(result: StudyResult) -> str:
    leader = result.leading
    if leader is None:
        return "Wait for the study to end, or run the same command again: it goes on."
    if leader.feasible and result.workload == "problem":
        question, name = shlex.quote(result.question), shlex.quote(result.name)
        ablate = f"vlatent ablate {question} --ablation.from_study {name}"
        return f"Take these weights. What each of them buys: {inline_code(ablate)}."
    if leader.feasible and result.workload == "decoder":
        return "Train it beside controls: `vlatent train --config best.yaml --folder runs/reader`."
    if leader.feasible:
        suite = f"vlatent ablate suite --ablation.from_study {shlex.quote(result.name)}"
        return (
            "Train with these weights: `vlatent train --config best.yaml --training.seed 99`. Then "
            f"ask what each prior buys: {inline_code(suite)}."
        )
    return (
        "No trial passes every criterion: read which are violated below, widen `--study.space` or "
        "give more steps, and search again."
    )


def _sure(result: StudyResult) -> str:
    counts = result.counts
    count = counts.complete + counts.pruned + counts.failed
    chosen = f"The search chose among {count} trials, so the score of its best is optimistic."
    if not result.finalists:
        return f"{chosen} Nothing was confirmed on new seeds: treat the result as a hint."
    if len(result.objectives) > 1:
        seeds = max(len(finalist.confirmations) for finalist in result.finalists)
        return (
            f"{chosen} {len(result.finalists)} trials were trained again on {seeds} seeds that the "
            "search never saw: the table of confirmations has an interval for each objective."
        )
    return escaped(" ".join([chosen, *certainty(result)]))


def _verdict(result: StudyResult, leader: TrialResult) -> str:
    rows = [
        (line.name, line.wanted, line.found, f"{line.margin:+.2f}", "yes" if line.holds else "NO")
        for line in leader.criteria
    ]
    values = ", ".join(
        f"{objective.label} {value:.4g}"
        for objective, value in zip(result.objectives, leader.values, strict=True)
    )
    judged = values if result.workload == "problem" else "on the search's held-out sentences"
    if not rows:
        return f"Trial {leader.number}: {values}. There are no limits that a run must keep."
    heads = ("criterion", "wanted", "found", "margin", "holds")
    said = f"Trial {leader.number} {judged}, at the end of its run."
    return f"{said}\n\n{markdown_table(heads, rows)}"


def _overview(
    study: str, leader: TrialResult, tracking: TrackingConfig, shown: dict[str, bytes]
) -> str:
    """The overview figure of the run; where none was kept, what draws it."""
    if leader.run_id is None:
        return ""
    try:
        shown["overview.png"] = artifact(tracking, leader.run_id, "figures/overview.png")
    except UserError:
        replay = f"vlatent replay {shlex.quote(study)} {leader.number} --out figures"
        return f"No figure of its run was kept: {inline_code(replay)} draws them."
    return figure(
        "overview.png",
        f"Trial {leader.number}: verdict, latents of four sentences, spectra, slopes, loss terms "
        "and correlations",
    )


def _trained_again(result: StudyResult, trained: Sequence[Finalist]) -> str:
    """Trials on new seeds, seed by seed."""
    seeds = sorted({run.seed for finalist in trained for run in finalist.confirmations})
    rows, form = [], FORMS[result.workload]
    for finalist in trained:
        values = {run.seed: run.values for run in finalist.runs}
        rows += [
            (
                finalist.number,
                objective.label,
                f"{finalist.values[place]:{form}}" if finalist.values else "failed",
                *(
                    f"{values[seed][place]:{form}}" if seed in values else "failed"
                    for seed in seeds
                ),
                bracket(*result.interval(finalist, place), form),
                passes(finalist),
            )
            for place, objective in enumerate(result.objectives)
        ]
    heads = ("trial", "objective", "in the search", *(f"seed {seed}" for seed in seeds))
    return markdown_table((*heads, "mean [95 % interval]", "passes"), rows)


def _importance(study: Study, shown: dict[str, bytes], progress: Progress | None) -> list[str]:
    result = importance(study, progress=progress)
    parts = ["## What matters", importance_text.groups(result), *importance_text.words(result)]
    if result.heard:
        for name, png in figures(result).items():
            shown[f"importance_{name}.png"] = png
            parts.append(figure(f"importance_{name}.png", name.capitalize()))
        parts.append(importance_text.EXPLAINED)
    return parts


def _trials(study: Study) -> str:
    labels = [objective.label for objective in study.result.objectives]
    heads = ("trial", "ended", *labels, "violates", "steps to pass", *study.space, "seconds")
    rows, form = [], FORMS[study.result.workload]
    for trial in _by_value(study):
        broken = ", ".join(line.name for line in trial.criteria if not line.holds)
        violates = broken or ("nothing" if trial.criteria else "never evaluated")
        values = [f"{value:{form}}" for value in trial.values] or [""] * len(labels)
        never = "never" if trial.criteria else ""
        passed = never if trial.steps_to_pass is None else f"{trial.steps_to_pass:.0f}"
        params = [f"{trial.params[n]:.4g}" if n in trial.params else "" for n in study.space]
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        rows.append((trial.number, trial.state, *values, violates, passed, *params, seconds))
    return "The best value first; click a heading to sort.\n\n" + markdown_table(heads, rows)


def _by_value(study: Study) -> Sequence[Trial]:
    """The trials by their first objective, the best first; those without any value come last."""
    sign = -1 if study.result.objectives[0].maximize else 1
    return sorted(
        study.trials,
        key=lambda trial: (not trial.values, *(sign * value for value in trial.values[:1])),
    )


def _again(study: Study, run: RecordedRun) -> str:
    result, leader = study.result, study.result.leading
    config = "" if result.workload == "problem" else " --config CONFIG"
    script = f"vlatent study {shlex.quote(result.question)}{config}{_flags(run.params)}"
    seed, params = run.params.get("study.seed", "0"), run.params
    trained = params.get("training.seed", params.get("reading.seed", "0"))
    commit = run.tags.get("mlflow.source.git.commit", "unknown")
    dirty = ", with uncommitted changes" if run.tags.get("vlatent.git.dirty") == "true" else ""
    replay = "" if leader is None else f"\nvlatent replay {shlex.quote(study.name)} {leader.number}"
    analysis = inline_code(f"vlatent importance {shlex.quote(study.name)}")
    return "\n\n".join(
        (
            f"Commit `{commit}`{dirty}; sampler's seed {seed}, training seed {trained}, corpus "
            f"`{study.corpus}`. The whole config is among the params of the study's run in MLflow.",
            code(f"git checkout {commit}\n{script} --study.seed {seed}{replay}"),
            "With one worker the study finds the same trials again; with several the order in "
            "which they end is chance. `replay` trains one trial again and compares every number.",
            "*Which number comes from where*: the verdict and its figure from the run of the "
            "leading trial; the confirmation from the study's confirmation runs; importance from "
            f"{analysis}.",
        )
    )


def _flags(params: Mapping[str, str]) -> str:
    """The flags that make the study the same."""
    names = ("study.trials", "study.sampler", "study.pruner", "study.name")
    given = {name: params[name] for name in names if params.get(name, "None") != "None"}
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in given.items())
