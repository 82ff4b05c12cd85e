"""Studies whose workers are killed and whose servers go away; tests/soak.py at a smaller size."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from inside import inside
from optuna.trial import TrialState
from servers import MlflowServer, Postgres
from smoke import sentences
from soak import EARLY, ROOT, Place, audit, environment, running, soak, start
from soak import command as begin

from analysis import runs
from analysis.compare import __main__ as compare
from analysis.importance import __main__ as importance
from analysis.report import __main__ as report
from studies.storage import lock_of, open_storage

pytestmark = pytest.mark.processes

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
PATIENCE = 200.0  # seconds, on a machine that does much else
FAST = ("--tracking.figures", "false")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def tracking(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    with MlflowServer(postgres.url("mlflow"), tmp_path_factory.mktemp("server")) as server:
        yield server


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def busy(place: Place) -> int:
    """How many trials are being trained."""
    try:
        return len(running(place))
    except Exception:  # the study is not there yet
        return 0


@pytest.mark.timeout(600)
def test_killed_workers_cost_nothing_on_a_file(tmp_path: Path) -> None:
    books = soak(Place(tmp_path), 8, 2, 2, 2.0, *FAST, *EARLY)
    assert books["kills"] == 2
    assert books["counted"] == 8
    assert books["begun again"] >= 2


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_killed_workers_cost_nothing_on_servers(
    postgres: Postgres, tracking: MlflowServer, tmp_path: Path
) -> None:
    place = Place(tmp_path, postgres.url("killed"), tracking.uri, postgres.url("mlflow"))
    books = soak(place, 6, 2, 2, 2.0, *FAST)
    assert books["kills"] == 2
    assert books["counted"] == 6
    kept, recorded = ("--storage", place.storage), ("--tracking.uri", tracking.uri)
    study = optuna.load_study(study_name="loss_weights", storage=place.storage)
    ended = next(trial.number for trial in study.trials if trial.state in ENDED)
    for command, arguments, says in (
        (importance.main, ("loss_weights", *kept), "complete trials"),
        (report.main, ("--study", "loss_weights", *kept, *recorded), "Attached to run"),
        (runs.main, ("loss_weights", *recorded), "runs below loss_weights"),
        (compare.main, (f"loss_weights:{ended}", "loss_weights", *kept, *recorded), "Side by side"),
    ):
        done = inside(tmp_path, command, *arguments)
        assert done.returncode == 0, done.stderr
        assert says in done.stdout


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_servers_that_go_away_cost_nothing(
    postgres: Postgres, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each is cut off in the middle of the study: first the tracker, then Optuna's database.

    The tracker is back first: a study that ends without one leaves its measurements to the doctor.
    """
    other = tmp_path_factory.mktemp("other")
    database = f"sqlite:///{other / 'mlflow.db'}"
    with MlflowServer(database, other) as server:
        place = Place(tmp_path, postgres.url("outage"), server.uri, database)
        process = start(place, 6, 2, *FAST)
        try:
            wait_until(lambda: busy(place) > 0)
            server.stop()
            time.sleep(4)
            postgres.stop()
            time.sleep(5)
            server.start()
            postgres.start()
            said, _ = process.communicate(timeout=400)
        finally:
            process.kill()
        assert process.returncode == 0, said
        assert "study.storage does not answer" in said
        assert "measurements wait in" in said
        books = audit(place, 6)
    assert books["begun again"] == 0  # nobody was taken for dead
    assert not list(tmp_path.rglob("tracking-*.jsonl"))


FROZEN = """
import os, signal, sys
from pathlib import Path
from vlatent.runtime import databases
databases.LEASE = 2
from studies import study, tasks
prepare = tasks.Search.prepare
def freeze(task, known):
    prepare(task, known)
    if not Path("frozen").exists():
        Path("frozen").touch()
        os.kill(os.getpid(), signal.SIGSTOP)
tasks.Search.prepare = freeze
sys.exit(study.main("loss_weights", sys.argv[1:]))
"""


@pytest.mark.timeout(600)
def test_a_worker_frozen_as_it_begins_a_trial_begins_none_too_many(
    postgres: Postgres, tmp_path: Path
) -> None:
    place = Place(tmp_path, postgres.url("frozen"))
    flags = begin(place, 2, 1, *FAST)[3:]
    frozen = subprocess.Popen(
        [sys.executable, "-c", FROZEN, *flags], cwd=tmp_path, env=environment()
    )
    try:
        while not (tmp_path / "frozen").exists():
            assert frozen.poll() is None
            time.sleep(0.1)
        other = start(place, 2, 1, *FAST)  # waits for the lock until the server frees it
        said, _ = other.communicate(timeout=400)
        assert other.returncode == 0, said
    finally:
        frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(400) == 0
    books = audit(place, 2)
    assert books["trial numbers"] == 3  # the one too many was given back, and nobody continues it


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_killed_ray_tasks_cost_nothing(tmp_path: Path) -> None:
    flags = ("--study.launcher", "ray", "--study.cpus", "0.5", *FAST)
    books = soak(Place(tmp_path), 4, 2, 1, 2.0, *flags)
    assert books["kills"] == 1
    assert books["counted"] == 4
    assert books["begun again"] >= 1


def begun(folder: Path, module: str, *flags: str, steps: int = 3000) -> subprocess.Popen[str]:
    """A command that trains far too long, by default, on one worker."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", module, *(("train",) if module == "vlatent" else ())),
            *("--config", str(ROOT / "configs" / "smoke.yaml")),
            *("--data.train", str(sentences(folder)), "--data.max_length", "200"),
            *("--training.steps", str(steps), "--evaluation.count", "40", *FAST, *flags),
        ],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def statuses(folder: Path) -> dict[str, str]:
    """How every run of an MLflow database stands, by the kind of its run."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        query = "SELECT value, status FROM runs JOIN tags USING (run_uuid) WHERE tags.key = 'kind'"
        return dict(database.execute(query).fetchall())


def training(folder: Path) -> bool:
    """Whether some run has measured something."""
    try:
        with closing(sqlite3.connect(folder / "mlflow.db")) as database:
            return database.execute("SELECT count(*) FROM metrics").fetchone()[0] > 0
    except sqlite3.OperationalError:
        return False


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("module", "flags", "kinds"),
    [
        ("vlatent", ("--training.folder", "run"), {"train"}),
        ("studies.loss_weights", (), {"study", "trial"}),
        ("ablations.spectrum", (), {"ablation", "cell"}),
    ],
)
def test_a_command_that_is_told_to_end_closes_its_books(
    tmp_path: Path, module: str, flags: tuple[str, ...], kinds: set[str]
) -> None:
    process = begun(tmp_path, module, *flags)
    try:
        wait_until(lambda: training(tmp_path) or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        said, warned = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM, said + warned
    assert warned.splitlines()[-1] == "interrupted"
    assert "Traceback" not in warned
    found = statuses(tmp_path)
    assert {kind: found[kind] for kind in kinds} == dict.fromkeys(kinds, "KILLED")


@pytest.mark.timeout(900)
def test_who_has_read_enough_costs_no_run(tmp_path: Path) -> None:
    process = begun(tmp_path, "vlatent", "--training.folder", "run", steps=30)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()  # as `head -1` does
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(PATIENCE) == 0
    assert statuses(tmp_path) == {"train": "FINISHED"}


@pytest.mark.timeout(900)
def test_a_study_whose_workers_are_told_to_end_and_whose_output_is_closed_comes_to_its_end(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    process = start(place, 6, 2, *FAST, stderr=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        process.stdout.close()
        wait_until(lambda: busy(place) == 2)
        for worker in running(place):
            os.kill(worker, signal.SIGTERM)
        assert process.stderr is not None
        warned = process.stderr.read()
        assert process.wait(PATIENCE) == 0, warned
    finally:
        process.kill()
    assert warned.count("was ended by SIGTERM; another takes its place") == 2
    assert "Traceback" not in warned
    books = audit(place, 6)
    assert books["begun again"] == 2


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_database_that_goes_away_again_and_again_is_waited_for(postgres: Postgres) -> None:
    url = postgres.url("flicker")
    optuna.create_study(study_name="flicker", storage=open_storage(url))
    over = threading.Event()
    problems: list[BaseException] = []

    def work() -> None:
        study = optuna.load_study(
            study_name="flicker", storage=open_storage(url, 1, lambda *_: None)
        )
        lock = lock_of(url, "flicker")

        def objective(trial: optuna.Trial) -> float:
            lock.release()
            value = trial.suggest_float("x", 0, 1)
            trial.report(value, 1)
            trial.should_prune()
            return value

        try:
            while not over.is_set():
                with lock:
                    study.optimize(objective, n_trials=1)
        except BaseException as problem:
            problems.append(problem)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(4):
        time.sleep(1.5)
        postgres.stop()
        time.sleep(0.5)
        postgres.start()
    study = optuna.load_study(study_name="flicker", storage=open_storage(url))
    while len(study.trials) <= 10 and not problems:  # however slow the machine is
        time.sleep(0.5)
    over.set()
    for worker in workers:
        worker.join(100)
    assert not problems
    trials = study.trials
    # A trial that the server made just before it went away, which nobody heard of, has no values.
    assert {trial.state for trial in trials if trial.params} == {TrialState.COMPLETE}
