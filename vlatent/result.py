"""What a run came to: what `vlatent.train` returns."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from vlatent.evaluation import Evaluation, Verdict
from vlatent.tables import as_fold, as_html


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        history: Every evaluation, the first before the first step.
        verdict: The criteria at the last evaluation.
        score: What a study maximises, at the last evaluation.
        steps_to_pass: First evaluation from which all criteria held to the end; None if none.
        folder: Where the checkpoint, the config and the figures are.
        seconds: Wall time, evaluations and figures included.
    """

    history: list[Evaluation]
    verdict: Verdict
    score: float
    steps_to_pass: int | None
    folder: Path
    seconds: float

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        last = self.history[-1]
        rows = [("score", f"{self.score:.4g} (of one seed, so without an interval)")]
        if self.verdict.criteria:
            violated = ", ".join(self.verdict.violated)
            since = "" if self.steps_to_pass is None else f" from step {self.steps_to_pass} on"
            rows += [("verdict", f"FAIL: violates {violated}" if violated else f"PASS{since}")]
        if "channels_in_band" in last.metrics:
            of = len(last.channels["spectrum"])
            rows += [("channels in band", f"{last.metrics['channels_in_band']:.0f} of {of}")]
        rows += [("time", f"{self.seconds:.3g} s")]
        if self.folder != Path():  # that of a problem, which keeps no file
            place = shlex.quote(str(self.folder))
            config = shlex.quote(str(self.folder / "config.yaml"))
            rows += [
                ("checkpoint and figures", str(self.folder)),
                ("judge it again", f"vlatent evaluate --checkpoint {place}"),
                ("search better weights", f"vlatent study loss_weights --config {config}"),
            ]
        criteria = self.verdict.criteria
        folded = as_fold(f"{len(criteria)} criteria", self.verdict._repr_html_())
        return as_html(f"Run of {last.step} steps", (), rows, folded if criteria else "")
