"""A study whose workers are killed again and again, and the records that must agree afterwards.

python tests/soak.py runs it at full size: PostgreSQL, a tracking server, 4 workers, 60 trials, at
least 8 kills; then SQLite with 2 workers.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

ROOT = Path(__file__).parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from servers import MlflowServer, Postgres  # noqa: E402
from smoke import sentences  # noqa: E402

from studies.job import load_study  # noqa: E402
from studies.record import counted, counts, has_values  # noqa: E402
from studies.spending import cost  # noqa: E402
from vlatent.tracking import TrackingConfig, recorded_runs  # noqa: E402

TOLD = ("ordinal", "continues", "attempt", "last_attempt", "reason", "returned", "worker")
# Trials are pruned from their first evaluation on, so that more of them are revived.
EARLY = (
    *(
        "--study.pruner_arguments.n_startup_trials",
        "2",
        "--study.pruner_arguments.n_min_trials",
        "2",
    ),
    *("--study.pruner_arguments.n_warmup_steps", "0", "--study.rehearse", "0"),
)
EXPECTED = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}


@dataclass(frozen=True)
class Place:
    """Where a study keeps its records.

    Attributes:
        folder: Working directory of every process.
        storage: Optuna's database.
        tracking: MLflow's address, and the database behind it.
    """

    folder: Path
    storage: str = "sqlite:///studies.db"
    tracking: str | None = None
    tracking_database: str = "sqlite:///mlflow.db"


def command(place: Place, trials: int, workers: int, *flags: str) -> list[str]:
    return [
        *(sys.executable, "-m", "studies.loss_weights"),
        *("--config", str(ROOT / "configs" / "smoke.yaml")),
        *("--data.train", str(sentences(place.folder)), "--data.max_length", "200"),
        *("--study.storage", place.storage, "--study.heartbeat", "1", "--study.confirm", "0"),
        *("--study.trials", str(trials), "--study.workers", str(workers)),
        *(() if place.tracking is None else ("--tracking.uri", place.tracking)),
        *flags,
    ]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(
    place: Place, trials: int, workers: int, *flags: str, stderr: int = subprocess.STDOUT
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(place, trials, workers, *flags),
        cwd=place.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def is_worker(process: int) -> bool:
    """Whether a process is alive and one of those that we may kill."""
    try:
        said = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return b"spawn_main" in said or said.startswith(b"ray::")


def running(place: Place) -> dict[int, int]:
    """Which process trains which trial."""
    study = load_study("loss_weights", _absolute(place, place.storage))
    return {
        int(trial.user_attrs["worker"].rpartition(":")[2]): trial.number
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if "worker" in trial.user_attrs
    }


def state(place: Place, number: int) -> TrialState:
    study = load_study("loss_weights", _absolute(place, place.storage))
    return study.get_trials(deepcopy=False)[number].state


def kill_some(
    process: subprocess.Popen[str], place: Place, kills: int, pause: float, seed: int = 0
) -> int:
    """Kill workers that train, one every few seconds; returns how many trials were hit.

    A worker that ended its trial in the meantime dies too, but costs no trial.
    """
    draw = random.Random(seed)
    done = 0
    while done < kills and process.poll() is None:
        time.sleep(pause * draw.uniform(0.5, 1.5))
        try:
            busy = {worker: t for worker, t in running(place).items() if is_worker(worker)}
        except Exception:  # the study is not there yet
            continue
        if busy:
            worker = draw.choice(sorted(busy))
            os.kill(worker, signal.SIGKILL)
            while is_worker(worker):
                time.sleep(0.01)
            done += state(place, busy[worker]) not in (TrialState.COMPLETE, TrialState.PRUNED)
    return done


def audit(place: Place, trials: int) -> dict[str, int]:
    """Check that every trial and every row is accounted for exactly once."""
    study = load_study("loss_weights", _absolute(place, place.storage))
    every = study.get_trials(deepcopy=False)
    books = counted(study)
    assert not [t.number for t in every if not t.state.is_finished()]
    assert len(books) == trials, [
        (t.number, t.state.name, {k: t.user_attrs.get(k) for k in TOLD}) for t in every
    ]
    assert sorted(trial.user_attrs["ordinal"] for trial in books) == list(range(trials))
    assert sorted(trial.number for trial in every) == list(range(len(every)))
    continued = Counter(t.user_attrs["continues"] for t in every if "continues" in t.user_attrs)
    revived = [each for each in every if each.state == TrialState.PRUNED and each not in books]
    for trial in every:
        if counts(trial) and trial not in revived:
            assert continued[trial.number] == 0, f"trial {trial.number} ended and was begun again"
        elif has_values(study, trial):
            assert continued[trial.number] == 1, f"trial {trial.number} is lost"
    for trial in revived:
        check_revival(trial, every)
    if continued.total() == len(revived):  # nothing was interrupted: each step is counted once
        steps = sum(trial.user_attrs["steps"] for trial in books)
        assert cost(study).steps == steps

    uri = place.tracking or _absolute(place, place.tracking_database)
    runs = recorded_runs(TrackingConfig(uri=uri), {"study": "loss_weights", "kind": "trial"})
    by_trial = Counter(int(run.tags["trial"]) for run in runs)
    assert set(by_trial.values()) <= {1}
    engine = sqlalchemy.create_engine(_absolute(place, place.tracking_database))
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT run_uuid, key, step FROM metrics")).all()
    engine.dispose()
    twice = [row for row, number in Counter(map(tuple, rows)).items() if number > 1]
    assert not twice, twice[:5]
    steps: dict[tuple[str, str], set[int]] = {}
    for run_id, key, step in rows:
        steps.setdefault((run_id, key), set()).add(step)
    status = {run.run_id: run.status for run in runs}
    for trial in (*books, *revived):
        if trial.user_attrs.get("run_id") is None:
            continue
        run_id = trial.user_attrs["run_id"]
        if trial.state != TrialState.FAIL:  # the last attempt of a killed worker may lack some
            told = trial.number, trial.state.name, trial.user_attrs
            assert status[run_id] == EXPECTED[trial.state], told
            assert steps[run_id, "score"] == {0, *trial.intermediate_values}, told
            last = max(trial.intermediate_values)
            assert steps[run_id, "loss"] == set(range(0, last, 10)), (steps[run_id, "loss"], told)
    said = subprocess.run(
        [
            *(sys.executable, "-m", "studies", "doctor", "--storage", place.storage),
            *(() if place.tracking is None else ("--tracking.uri", place.tracking)),
        ],
        cwd=place.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Nothing to do" in said.stdout
    return {
        "counted": len(books),
        "trial numbers": len(every),
        "begun again": sum(continued.values()) - len(revived),
        "revived": len(revived),
        "complete": sum(trial.state == TrialState.COMPLETE for trial in books),
        "pruned": sum(trial.state == TrialState.PRUNED for trial in books),
        "failed": sum(trial.state == TrialState.FAIL for trial in books),
        "metric rows": len(rows),
        "rows twice": len(twice),
    }


def check_revival(pruned: FrozenTrial, every: Sequence[FrozenTrial]) -> None:
    """Check that what continues a pruned trial has its place and measurements, and goes further."""
    attributes, stopped = pruned.user_attrs, pruned.last_step
    [last] = [t for t in every if t.user_attrs.get("continues") == pruned.number]
    while after := [t for t in every if t.user_attrs.get("continues") == last.number]:
        [last] = after
    assert last.params == pruned.params
    assert last.user_attrs["ordinal"] == attributes["ordinal"]
    assert stopped is not None
    if last.state != TrialState.FAIL:
        assert last.last_step is not None
        assert last.last_step > stopped, f"trial {pruned.number} was revived for nothing"
        before = {step: v for step, v in last.intermediate_values.items() if step <= stopped}
        assert before == pruned.intermediate_values
        violations = last.user_attrs["violations"]
        assert attributes["violations"].items() <= violations.items()


def soak(
    place: Place, trials: int, workers: int, kills: int, pause: float, *flags: str
) -> dict[str, int]:
    """Run a study, kill its workers, and audit it."""
    began = time.monotonic()
    process = start(place, trials, workers, *flags)
    try:
        done = kill_some(process, place, kills, pause)
        said, _ = process.communicate(timeout=1500)
    finally:
        process.kill()
    assert process.returncode == 0, said
    return {"kills": done, "seconds": round(time.monotonic() - began)} | audit(place, trials)


def _absolute(place: Place, url: str) -> str:
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        return f"sqlite:///{place.folder / url.removeprefix('sqlite:///')}"
    return url


def main() -> None:
    import tempfile

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder) / "db") as postgres:
        database = postgres.url("mlflow")
        with MlflowServer(database, Path(folder) / "server") as server:
            books = Place(Path(folder), postgres.url("studies"), server.uri, database)
            done = soak(books, 60, 4, 10, 5.0, *EARLY)
            print("PostgreSQL, tracking server, 4 workers:", done, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite, 2 workers:", soak(Place(Path(folder)), 60, 2, 10, 5.0, *EARLY))


if __name__ == "__main__":
    main()
