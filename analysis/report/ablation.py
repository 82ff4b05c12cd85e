"""The report of an ablation, written from its result; its own tables and figures follow."""

from __future__ import annotations

from analysis.report.page import Answer, Document, code, escaped, figure
from analysis.runs import artifact, artifact_paths, recorded_text
from vlatent.shapes import UserError
from vlatent.tracking import RecordedRun, TrackingConfig

SHOWN = {
    "pictures": "Latents of the same sentences under every arm, one seed",
    "forest": "Every statistic of every arm: difference from the base with its 95 % interval",
}
WORDS = (
    ("base", "the run with all priors at their weights; everything is compared with it"),
    ("arm", "the same run with a change: *without* a prior, *only* one, a weight *x* 2"),
    (
        "paired by seed",
        "an arm and the base begin with the same random weights and see the same sentences in the "
        "same order, so that their difference is due to the change alone",
    ),
    (
        "established",
        "p below 0.05 in the exact sign-flip test, after Holm's correction over a family of arms",
    ),
)
ABOUT = (
    "The *priors*, penalties, pull the latents of an encoder towards the statistics of "
    "photographs. An arm leaves one out, uses it alone, or gives it more or less weight."
)
NEXT = (
    "Leave out nothing that a criterion needs. A prior that no criterion needs may still move a "
    "statistic that you care about: look at its row in the effects. The result holds for this "
    "base; another base is another ablation: `python -m ablations.{script} --config OTHER`."
)
FOUND = (
    "The ablation's own report follows. `python -m ablations.{script} --ablation.report true` "
    "writes it anew."
)


def ablation_document(run: RecordedRun, tracking: TrackingConfig) -> Document:
    """The report of an ablation from its own run in the tracker.

    Raises:
        UserError: The ablation has not come to its end, so there is no report yet.
    """
    name = run.tags["ablation"]
    own = recorded_text(tracking, run, "report.md")
    if own is None:
        raise UserError(
            f"ablation {name} has recorded no report yet; run it to its end, or let it report on "
            f"what is there: python -m ablations.{name} --ablation.report true"
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
    parts += ["## How to get these numbers again", _again(name, run)]
    parts += ["## Words", "\n".join(f"- *{word}*: {meaning}." for word, meaning in WORDS)]
    return Document(
        title=f"Ablation {name}",
        kind="ablation",
        answers=_answers(name),
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


def _answers(script: str) -> list[Answer]:
    return [
        Answer("What was asked", ABOUT),
        Answer("What was found", FOUND.format(script=script)),
        Answer("What to do with it", NEXT.format(script=script)),
    ]


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
            code(f"git checkout {commit}\npython -m ablations.{script} --config base.yaml{flags}"),
            "`base.yaml` and every number as CSV (`cells.csv` a run, `effects.csv` a difference) "
            "are among the artifacts of the ablation's run in MLflow. On the same machine the "
            "numbers come out the same to the last bit.",
        )
    )
