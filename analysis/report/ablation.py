"""The report of an ablation, written from its result; its own tables and figures follow."""

from __future__ import annotations

from ablations import result as records
from ablations.result import AblationResult
from analysis.report.page import Answer, Document, code, escaped, figure, markdown_table
from analysis.runs import artifact, recorded_text
from vlatent.effects import NULL
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig, artifact_paths

SHOWN = {
    "latents": "Latents of the same sentences under every arm, one seed",
    "pictures": "Latents of the same sentences under every arm, one seed",  # the earlier name
    "readings": "What a decoder reads from one sentence's latent under every arm, one seed",
    "forest": "Every statistic of every arm: difference from the base with its 95 % interval",
}
WORDS = (
    ("base", "the run with all parts at their weights; everything is compared with it"),
    ("arm", "the same run with a change: *without* a part, *only* one, a weight *x* 2"),
    (
        "paired by seed",
        "an arm and the base begin with the same random weights and see the same data in the same "
        "order, so that their difference is due to the change alone",
    ),
    (
        "established",
        f"p below 0.05 in the exact sign-flip test of whether {NULL}, after Holm's correction over "
        "a family of arms",
    ),
)
ABOUT = {
    "encoder": "The *priors*, penalties, pull the latents of an encoder towards the statistics of "
    "photographs. An arm leaves one out, uses it alone, or gives it more or less weight.",
    "problem": "A loss is a sum of terms, each times a weight. An arm leaves a term out or gives "
    "it more or less weight; *default weights* has all weights as they were before any search.",
}
NEXT = (
    "Leave out nothing that a criterion needs. What no criterion needs may still move a "
    "statistic that you care about: look at its row in the effects. The result holds for this "
    "base; another base is another ablation: `vlatent ablate {script} --config OTHER`."
)
EARLIER = (
    "This ablation was recorded without a `result.json`, so its report follows as it was written. "
    "`vlatent ablate {script} --ablation.report true` writes both anew."
)
SWEPT = ("dose", "present")  # groups of many arms: left to their figures


def ablation_document(run: RecordedRun, tracking: TrackingConfig) -> Document:
    """The report of an ablation from its own run in the tracker.

    Raises:
        UserError: The ablation has not come to its end, so there is no report yet.
    """
    name = run.tags["ablation"]
    own = recorded_text(tracking, run, "report.md")
    text = recorded_text(tracking, run, records.FILE)
    result = (
        None
        if text is None
        else AblationResult.from_json(text, f"{records.FILE} of ablation {name}")
    )
    script = name if result is None else result.script
    if own is None:
        raise UserError(
            f"ablation {name} has recorded no report yet; run it to its end, or let it report on "
            f"what is there: vlatent ablate {script} --ablation.report true"
        )
    paths = artifact_paths(tracking, run.run_id)
    shown = {
        path.removeprefix("figures/"): artifact(tracking, run.run_id, path)
        for path in paths
        if path.startswith("figures/")
    }
    parts = [own]
    if shown:
        parts += ["## Figures", *_figures(list(shown))]
    if (base := recorded_text(tracking, run, "base.yaml")) is not None:
        parts += ["## Config of the base", code(base, "yaml")]
    parts += ["## How to get these numbers again", _again(script, run)]
    parts += ["## Words", "\n".join(f"- *{word}*: {meaning}." for word, meaning in WORDS)]
    return Document(
        title=f"Ablation {name}" if result is None else result.question,
        kind="ablation",
        answers=_answers_of_earlier(script) if result is None else _answers(result),
        body="\n\n".join(parts),
        figures=shown,
    )


def _figures(names: list[str]) -> list[str]:
    doses = {
        name: f"More and less of {name.removeprefix('dose_').removesuffix('.png')}"
        for name in sorted(names)
        if name.startswith("dose_")
    }
    words = {f"{key}.png": shows for key, shows in SHOWN.items()} | doses
    return [figure(name, escaped(shows)) for name, shows in words.items() if name in names]


def _answers_of_earlier(script: str) -> list[Answer]:
    return [
        Answer("What was asked", ABOUT["encoder"]),
        Answer("What was found", EARLIER.format(script=script)),
        Answer("What to do with it", NEXT.format(script=script)),
    ]


def _answers(result: AblationResult) -> list[Answer]:
    return [
        Answer("What was asked", f"{escaped(result.question)}\n\n{ABOUT[result.workload]}"),
        Answer("What was found", f"{_passes(result)}\n\n{_predictions(result)}"),
        Answer("How sure that is", _sure(result)),
        Answer("What to do with it", NEXT.format(script=result.script)),
    ]


def _passes(result: AblationResult) -> str:
    """Which arms pass, and which criteria fail on any seed."""
    rows = []
    for arm in result.arms:
        if arm.group in SWEPT:
            continue
        fails = [
            f"{name} ({count - held} of {count})"
            for name, (held, count) in arm.held.items()
            if held < count
        ]
        rows.append((arm.name, records.passes(arm), ", ".join(fails) or "none"))
    return markdown_table(("arm", "seeds that pass", "criteria that fail"), rows)


def _predictions(result: AblationResult) -> str:
    counts = ", ".join(
        f"{count} {outcome}" for outcome, count in result.outcomes().items() if count
    )
    return f"Of the predictions written before the result: {counts}." if counts else ""


def _sure(result: AblationResult) -> str:
    seeds = ", ".join(map(str, result.seeds))
    batch = f" at batch size {result.batch_size}" if result.batch_size else ""
    design = (
        f"{len(result.arms)} arms were trained for {result.steps} steps{batch} on seeds {seeds}, "
        "the arms paired with the base by seed."
    )
    missing = [(missing.arm, missing.seed, missing.reason) for missing in result.missing]
    if not missing:
        return f"{design} No run is missing."
    return f"{design} Missing runs:\n\n{markdown_table(('arm', 'seed', 'reason'), missing)}"


def _again(script: str, run: RecordedRun) -> str:
    commit = run.tags.get("mlflow.source.git.commit", "unknown")
    dirty = ", with uncommitted changes" if run.tags.get("vlatent.git.dirty") == "true" else ""
    wanted = {
        key: run.params.get(f"ablation.{key}", default)
        for key, default in (("seeds", "8"), ("first_seed", "100"))
    }
    flags = "".join(f" --ablation.{key} {value}" for key, value in wanted.items())
    return "\n\n".join(
        (
            f"Commit `{commit}`{dirty}; base config `{run.tags.get('base', 'unknown')}`.",
            code(f"git checkout {commit}\nvlatent ablate {script} --config base.yaml{flags}"),
            "`base.yaml` and every number as CSV (`cells.csv` a run, `effects.csv` a difference) "
            "are among the artifacts of the ablation's run in MLflow. On the same machine the "
            "numbers come out the same to the last bit.",
        )
    )
