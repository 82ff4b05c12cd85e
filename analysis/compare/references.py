"""References of the command line: a checkpoint, a run, a trial, a study's leader or an arm."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from analysis.compare.checkpoint import of_checkpoint
from analysis.compare.recorded import of_run
from analysis.compare.result import Subject
from analysis.compare.storage import subject_in
from analysis.runs import find_run
from vlatent import checkpoints
from vlatent.config import from_yaml
from vlatent.fingerprints import fingerprint
from vlatent.shapes import UserError
from vlatent.tracking import TrackingConfig, recorded_runs


def subject_of(reference: str, tracking: TrackingConfig, storage: str) -> Subject:
    """Subject that a reference names.

    Args:
        reference: A checkpoint or the folder of a run; `study:11`, a trial; `study`, its winner;
            id, beginning of an id, or name of a run in the tracker.
        tracking: Where runs are recorded.
        storage: Optuna's database, which is read for trials that the tracker does not have.

    Raises:
        UserError: It means nothing, more than one thing, or something that cannot be compared.
    """
    path = Path(reference)
    if path.is_file() or (path / checkpoints.NAME).is_file():
        return of_checkpoint(reference, path)
    if (path / "config.yaml").is_file():
        return _of_folder(reference, path, tracking)
    study, _, number = reference.rpartition(":")
    wanted = int(number) if study and number.isdecimal() else None
    tags = {"kind": "study", "study": reference}
    if wanted is not None:
        tags = {"kind": "trial", "study": study, "trial": number}
    runs = recorded_runs(tracking, tags)
    try:
        run = runs[-1] if runs else find_run(tracking, reference)
    except UserError:
        name = reference if wanted is None else study
        kept = subject_in(storage, name, wanted)
        if kept is None:
            raise
        return replace(kept, label=reference)
    label = run.name if run.run_id.startswith(reference) else reference
    return replace(of_run(run, tracking), label=label)


def _of_folder(reference: str, folder: Path, tracking: TrackingConfig) -> Subject:
    """A folder whose checkpoint is gone, by the record of the run with its config."""
    config = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
    same = recorded_runs(tracking, {"config": fingerprint(config)})
    if not same:
        raise UserError(
            f"{folder} holds no checkpoint, and no run in the tracker has its config; train it: "
            f"{shlex.join(['vlatent', 'train', '--config', str(folder / 'config.yaml')])} "
            "--training.folder NEW"
        )
    subject = of_run(same[-1], tracking)
    note = f"{folder} holds no checkpoint; shown is the record of its config, {same[-1].name}"
    return replace(subject, label=reference, notes=(*subject.notes, note))
