"""What a report says of a study."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.progress import Progress

from analysis.importance import text as importance_text
from analysis.importance.compute import importance
from analysis.importance.figures import figures
from analysis.report.page import Answer, Document, code, escaped, inline_code, markdown_table
from analysis.runs import artifact, artifact_paths
from analysis.trials import Confirmed, Study, Trial
from vlatent.effects import bracket, by_confirmation, interval
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig, recorded_runs

ABOUT = (
    "A small encoder paints every sentence as a picture of a few channels. It never sees an image: "
    "six penalties, the *priors*, pull its pictures towards the statistics of photographs. How "
    "strongly each of them pulls decides whether that works."
)
WORDS = (
    (
        "channels in band",
        "how many channels have a power spectrum that falls like that of photographs "
        "(slope alpha between 1.5 and 2.5, and a straight line at all); the most important number",
    ),
    (
        "score",
        "what the study makes as large as it can: channels in band, and behind the point how "
        "close everything else is. It never looks at the weights",
    ),
    (
        "margin",
        "how far a criterion is from its limit, in units of its tolerance: 0 or less "
        "holds, and the lower the safer",
    ),
    (
        "confirmed",
        "trained again on random seeds that the search never saw; brackets hold 95 % "
        "intervals over these seeds",
    ),
    ("pruned", "stopped early, because others were ahead of it at the same step"),
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
    chosen = winner(study, run)
    paths = artifact_paths(tracking, run.run_id)
    parts: list[str] = []
    shown: dict[str, bytes] = {}
    if chosen is not None:
        parts += ["## Verdict", _verdict(chosen)]
        parts += _look(chosen, tracking, shown)
    for name in ("best.yaml", "nearest.yaml"):
        if name in paths:
            text = artifact(tracking, run.run_id, name).decode()
            parts += ["## Config", f"`{name}` among the run's artifacts:", code(text, "yaml")]
    if study.confirmed:
        parts += ["## Confirmation", _confirmation(study, chosen)]
    drawn = [name for name in SHOWN if f"figures/{name}.png" in paths]
    parts += ["## Search"] if drawn else []
    for name in drawn:
        shown[f"{name}.png"] = artifact(tracking, run.run_id, f"figures/{name}.png")
        parts.append(f"![{SHOWN[name]}]({name}.png)")
    parts += _importance(study, shown, progress)
    parts += ["## All trials", _trials(study)]
    parts += ["## How to get these numbers again", _again(study, run, chosen)]
    parts += ["## Words", "\n".join(f"- *{word}*: {meaning}." for word, meaning in WORDS)]
    return Document(
        title=study.question if study.question != study.name else f"Study {study.name}",
        kind="study",
        answers=_answers(study, run, chosen),
        body="\n\n".join(parts),
        pictures=shown,
    )


def winner(study: Study, run: RecordedRun) -> Trial | None:
    """The trial that the study itself named best in its run."""
    number = run.metrics.get("best/trial")
    return next((trial for trial in study.trials if trial.number == number), None)


def _answers(study: Study, run: RecordedRun, chosen: Trial | None) -> list[Answer]:
    note = [part for part in run.tags.get("mlflow.note.content", "").split("\n\n") if part]
    found = note[1] if len(note) > 1 else "The study has not come to its end yet."
    about_text = f"\n\n{note[2]}" if len(note) > 2 else ""
    states = [trial.state for trial in study.trials]
    if chosen is None:
        todo = "Wait for the study to end, or run the same command again: it goes on."
    elif chosen.feasible:
        suite = f"python -m ablations.suite --ablation.from_study {shlex.quote(study.name)}"
        todo = (
            "Train with these weights: `vlatent train --config best.yaml --training.seed 99`. Then "
            f"ask what each prior buys: {inline_code(suite)}."
        )
    else:
        todo = (
            "Nothing found passes every criterion: read which are violated below, widen "
            "`--study.space` or give more `--training.steps`, and search again."
        )
    return [
        Answer("What was asked", f"{escaped(study.question)}\n\n{ABOUT}"),
        Answer("What was found", found + about_text),
        Answer("How sure that is", _sure(study, states, chosen)),
        Answer("What to do with it", todo),
    ]


def _sure(study: Study, states: Sequence[str], chosen: Trial | None) -> str:
    looked = f"The search looked at {len(states)} trials, so its best is partly luck."
    if not study.confirmed:
        return f"{looked} Nothing was confirmed on new seeds: treat the result as a hint."
    n = max(len(each.seeds) for each in study.confirmed)
    if len(study.objectives) > 1:
        return (
            f"{looked} {len(study.confirmed)} trials were trained again on {n} seeds that the "
            "search never saw: the table of confirmations has an interval for each objective."
        )
    ranked = _ranked(study, chosen)
    best = ranked[0]
    text = (
        f"{looked} Trial {best.number} was trained again on {len(best.seeds)} seeds that the "
        f"search never saw: {_bracket(best, 0)}, and passes on {best.passed} of them."
    )
    if len(best.seeds) > 1 and len(ranked) > 1:
        sign = 1 if study.objectives[0].direction == "maximize" else -1
        means = {each.number: sign * _bounds(each, 0)[0] for each in ranked}
        if (first := max(means, key=means.__getitem__)) != best.number:
            text += (
                f" Trial {first} has the better mean, but what passes on more seeds comes first."
            )
        (_, low, high), others = _bounds(best, 0), [_bounds(each, 0) for each in ranked[1:]]
        level = sum(each[2] >= low and each[1] <= high for each in others)
        text += (
            f" The intervals of {level + 1} of the {len(ranked)} confirmed trials overlap: "
            "which of these is best is not decided."
            if level
            else " Its interval overlaps with that of no other confirmed trial."
        )
    return text


def _ranked(study: Study, chosen: Trial | None) -> list[Confirmed]:
    """Confirmed trials, the best first: the one that the study named, then as it ranks them."""
    maximize = study.objectives[0].direction == "maximize"

    def rank(each: Confirmed) -> tuple[bool, tuple[float, float]]:
        values = [row[0] for row in each.values]
        named = chosen is not None and each.number == chosen.number
        return not named, by_confirmation(each.passed, values, maximize)

    return sorted(study.confirmed, key=rank)


def _bounds(each: Confirmed, objective: int) -> tuple[float, float, float]:
    """Mean over seeds and 95 % interval; of one seed it is infinitely wide."""
    return interval([row[objective] for row in each.values])


def _bracket(each: Confirmed, objective: int) -> str:
    return bracket(*_bounds(each, objective))


def _verdict(chosen: Trial) -> str:
    rows = [
        (line.name, line.wanted, line.found, f"{line.margin:+.2f}", "yes" if line.holds else "NO")
        for line in chosen.criteria
    ]
    return (
        f"Trial {chosen.number} on held-out sentences, at the end of its run.\n\n"
        + markdown_table(("criterion", "wanted", "found", "margin", "holds"), rows)
    )


def _look(chosen: Trial, tracking: TrackingConfig, shown: dict[str, bytes]) -> list[str]:
    """The picture of the run; a word where there is none."""
    if chosen.run_id is None:
        return []
    try:
        shown["overview.png"] = artifact(tracking, chosen.run_id, "figures/overview.png")
    except UserError:
        return ["No picture of it was kept (`--tracking.figures false`)."]
    return [
        f"![Trial {chosen.number}: verdict, pictures of four sentences, spectra, slopes, loss "
        "terms and correlations](overview.png)"
    ]


def _confirmation(study: Study, chosen: Trial | None) -> str:
    seeds = sorted({seed for each in study.confirmed for seed in each.seeds})
    found = {trial.number: trial.values for trial in study.trials}
    rows = []
    for each in _ranked(study, chosen):
        values = dict(zip(each.seeds, each.values, strict=True))
        rows += [
            (
                each.number,
                objective.label,
                f"{found[each.number][place]:.3f}",
                *(f"{values[seed][place]:.3f}" if seed in values else "failed" for seed in seeds),
                _bracket(each, place),
                f"{each.passed} of {len(each.seeds)}",
            )
            for place, objective in enumerate(study.objectives)
        ]
    heads = ("trial", "objective", "found", *(f"seed {seed}" for seed in seeds))
    return markdown_table((*heads, "mean [95 % interval]", "passes"), rows)


def _importance(study: Study, shown: dict[str, bytes], progress: Progress | None) -> list[str]:
    result = importance(study, progress=progress)
    parts = ["## What matters", importance_text.groups(result), *importance_text.words(result)]
    if result.heard:
        for name, png in figures(result).items():
            key = f"importance_{name.removesuffix('.png')}.png"
            shown[key] = png
            parts.append(f"![{name.replace('_', ' ').removesuffix('.png').capitalize()}]({key})")
        parts.append(importance_text.EXPLAINED)
    return parts


def _trials(study: Study) -> str:
    labels = [objective.label for objective in study.objectives]
    heads = ("trial", "ended", *labels, "violates", "steps to pass", *study.space, "seconds")
    rows = []
    for trial in _by_value(study):
        broken = ", ".join(line.name for line in trial.criteria if not line.holds)
        violates = broken or ("nothing" if trial.criteria else "never evaluated")
        values = [f"{value:.3f}" for value in trial.values] or [""] * len(labels)
        passed = "" if trial.steps_to_pass is None else f"{trial.steps_to_pass:.0f}"
        params = [f"{trial.params[n]:.4g}" if n in trial.params else "" for n in study.space]
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        rows.append((trial.number, trial.state, *values, violates, passed, *params, seconds))
    return "The best value first; a heading sorts.\n\n" + markdown_table(heads, rows)


def _by_value(study: Study) -> list[Trial]:
    """The trials by their first objective, the best first; those without any value come last."""
    sign = -1 if study.objectives[0].direction == "maximize" else 1
    return sorted(
        study.trials,
        key=lambda trial: (not trial.values, *(sign * value for value in trial.values[:1])),
    )


def _again(study: Study, run: RecordedRun, chosen: Trial | None) -> str:
    asked = run.params.get("study.name", "None")
    flags = {
        name: value
        for name, value in run.params.items()
        if name.startswith("study.") and name in ("study.trials", "study.sampler", "study.pruner")
    } | ({} if asked == "None" else {"study.name": asked})
    module = study.attributes.get("identity", {}).get("question", study.name)
    script = f"python -m studies.{module} --config CONFIG"
    given = "".join(f" --{name} {shlex.quote(value)}" for name, value in flags.items())
    seed = run.params.get("study.seed", "0")
    commit = run.tags.get("mlflow.source.git.commit", "unknown")
    dirty = ", with uncommitted changes" if run.tags.get("vlatent.git.dirty") == "true" else ""
    replay = (
        ""
        if chosen is None
        else f"\npython -m studies replay {shlex.quote(study.name)} {chosen.number}"
    )
    return "\n\n".join(
        (
            f"Commit `{commit}`{dirty}; sampler's seed {seed}, training seed "
            f"{run.params.get('training.seed', '0')}, corpus "
            f"`{study.attributes.get('identity', {}).get('corpus', 'unknown')}`. The whole config "
            "is among the params of the study's run in MLflow.",
            code(f"git checkout {commit}\n{script}{given} --study.seed {seed}{replay}"),
            "With one worker the study finds the same trials again; with several the order in "
            "which they end is chance. `replay` trains one trial again and compares every number.",
            "*Which number comes from where*: verdict and picture from the run of the winning "
            "trial; confirmation from the study's confirmation runs; importance from "
            f"{inline_code(f'python -m analysis.importance {shlex.quote(study.name)}')}.",
        )
    )


def parent_of(tracking: TrackingConfig, kind: str, name: str) -> RecordedRun:
    """The own run of a study or an ablation; the latest where there are several.

    Raises:
        UserError: It was never recorded; names what was.
    """
    every = recorded_runs(tracking, {"kind": kind})
    mine = [run for run in every if run.tags.get(kind) == name]
    if not mine:
        known = ", ".join(sorted({run.tags[kind] for run in every if kind in run.tags}))
        raise UserError(
            f"the tracker has no {kind} {name}; it has {known or 'none at all'}. Run the command "
            "where it was recorded, or name the store with --tracking.uri."
        )
    return mine[-1]
