"""The weights that a study keeps: those of its best trials, as files beside their folders."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.record import ranked
from vlatent import checkpoints
from vlatent.config import Config, to_yaml
from vlatent.shapes import UserError

logger = logging.getLogger(__name__)

# What judges a run needs of its checkpoint; the rest, two thirds of it, only continues the run.
JUDGED = ("step", "config", "corpus", "sources", "average", "decoder_average", "history", "log")


def keep_best(study: optuna.Study, folder: Path, count: int) -> None:
    """Keep the weights of the best complete trials that were trained here, and no checkpoint.

    A trial keeps its checkpoint until the study knows that it is complete: until then it may have
    to be continued. When the disk is full only weights are lost.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return
    best = {trial.number for trial in ranked(study)[: max(count, 1)]}
    for trial in complete:
        left = checkpoint_of(folder, trial.number)
        if trial.number not in best:
            left.unlink(missing_ok=True)
            kept_weights(folder, trial.number).unlink(missing_ok=True)
        elif left.is_file():
            try:
                _write(kept_weights(folder, trial.number), left)
            except UserError as error:
                if not left.is_file():  # another worker was faster
                    continue
                logger.warning("the weights of trial %s are not kept: %s", trial.number, error)
            left.unlink(missing_ok=True)


def drop_pruned(study: optuna.Study, folder: Path) -> None:
    """Delete the checkpoints of pruned trials: the search is done and revives none any more."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)):
        checkpoint_of(folder, trial.number).unlink(missing_ok=True)


def checkpoint_of(folder: Path, number: int) -> Path:
    """Where the checkpoint of a trial is, if it was trained here and may have to be continued."""
    return folder / f"trial-{number:04d}" / checkpoints.NAME


def kept_weights(folder: Path, number: int) -> Path:
    """Where the weights of a trial are, if they are kept."""
    return folder / f"trial-{number:04d}.pt"


def write_best(trial: FrozenTrial, config: Config, folder: Path, place: Path) -> str:
    """Write the winner's weights, and say how they are judged or else where they are.

    Args:
        trial: The winner.
        config: Its config.
        folder: Folder of the study.
        place: Its config as a file; the weights go beside it.
    """
    best, source = place.with_suffix(".pt"), kept_weights(folder, trial.number)
    for stale in ("best.pt", "nearest.pt"):  # of another trial
        (folder / stale).unlink(missing_ok=True)
    try:
        _write(best, source, to_yaml(config))
    except UserError:
        where = trial.user_attrs.get("worker", "another machine").partition(":")[0]
        return (
            f"Its weights are not here (trial {trial.number} was trained on {where}); the same "
            f"again: vlatent train --config {shlex.quote(str(place))}"
        )
    return (
        f"Its weights, of the search's own run on seed {config.training.seed}: {best}\n"
        f"Judge them: vlatent evaluate --checkpoint {shlex.quote(str(best))} --out "
        f"{shlex.quote(str(best.with_suffix('')))}"
    )


def _write(place: Path, source: Path, config: str | None = None) -> None:
    state = checkpoints.load(source)
    kept = {name: value for name, value in state.items() if name in JUDGED}
    checkpoints.save(place, kept if config is None else kept | {"config": config})
