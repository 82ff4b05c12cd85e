"""Retuned arms: the base without a prior, its other weights searched again by a study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ablations.arms import Arm, weight, weight_of
from ablations.settings import AblationConfig
from vlatent.config import Config, from_yaml, override, to_yaml
from vlatent.console import console
from vlatent.runtime.addresses import credentials
from vlatent.runtime.interruption import Stop, interruption
from vlatent.shapes import UserError


def searched(config: Config, settings: AblationConfig, name: str, prior: str) -> Arm:
    """The base without a prior, after the command for studies has searched the other weights again.

    Raises:
        UserError: The study did not come to its end.
    """
    study = f"{name}-without-{prior}"
    place = settings.folder / "ablations" / name / f"without_{prior}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(to_yaml(override(config, {weight(prior): 0.0})), encoding="utf-8")
    console.rule(f"Searching the other weights again, without {prior}")
    status = carried_out(
        [
            *(sys.executable, "-m", "studies.loss_weights", "--config", str(place)),
            *("--study.name", study, "--study.trials", str(settings.retune)),
            *("--study.workers", str(settings.workers), "--study.confirm", "0"),
            *("--study.folder", str(settings.folder)),
        ],
        credentials(config.tracking.uri or ""),
    )
    results = [settings.folder / study / file for file in ("best.yaml", "nearest.yaml")]
    written = [file for file in results if file.is_file()]
    if status or not written:
        raise UserError(f"study {study} did not come to its end; ablation.retune 0 omits it.")
    best = from_yaml(written[0].read_text(encoding="utf-8"))
    changes = {weight(name): weight_of(best, name) for name, _ in best.priors}
    return retuned_arm(prior, changes)


def carried_out(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Exit status of another command, which every signal to this one stops too.

    It is in a group of its own: what a terminal sends to all would else reach it twice. A signal
    that arrives while it is being started waits until there is something to stop.
    """
    stop, other = Stop(), None
    with interruption(stop):
        try:
            with stop.shield():
                other = subprocess.Popen(command, process_group=0, env=os.environ | environment)
            stop.check()
            return other.wait()
        except KeyboardInterrupt:
            if other is not None:
                other.terminate()
                try:
                    other.wait()
                except KeyboardInterrupt:
                    other.terminate()
            raise


def retuned_arm(prior: str, changes: Mapping[str, object]) -> Arm:
    """The arm without a prior whose other weights were searched again."""
    return Arm(f"without {prior}, retuned", "retuned", changes, (prior,))
