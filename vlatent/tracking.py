"""mlflow's one door: what a run measures is kept, and a store that fails never costs a measurement.

A tracker hands its calls to the store in their order. When the store does not take one, that call
and all later ones go to a journal on disk, and from there to the store as soon as it is back: at a
later flush, at the end of the run, or by `deliver`. A call may reach the store twice without being
seen twice: metrics keep the time at which they were measured, and a store ignores a row it has.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import hashlib
import itertools
import json
import logging
import math
import os
import posixpath
import re
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from jsonargparse.typing import PositiveInt

from vlatent.shapes import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

Status = Literal["FINISHED", "FAILED", "KILLED"]
Call = dict[str, Any]  # what one line of the journal holds
Item = TypeVar("Item")

METRICS_PER_BATCH, VALUES_PER_BATCH = 1000, 100  # MLflow's limits
NAME_LENGTH, PARAM_LENGTH, TAG_LENGTH, DIGEST_LENGTH = 250, 6000, 8000, 36  # MLflow's limits
ERROR_LENGTH = 250
KEY = "vlatent.key"  # our name of a run, known before the store has given its own

# An attempt on a dead store lasts as long as its timeouts, and one on a store that is back as long
# as there is much to deliver. Leaving the store alone for so many times as long afterwards bounds
# what both cost to 5 % of the training time.
PATIENCE, SHORTEST_WAIT, LONGEST_DELIVERY = 20, 5.0, 2.0

SETTINGS = {  # unless the environment says something else
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the journal is what tries again
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PGCONNECT_TIMEOUT": "5",
}


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where runs are recorded.

    Args:
        uri: A database (`sqlite:///…`, `postgresql+psycopg://…`) or a server (`http://…`).
            Left away: `mlflow.db` in the working directory, which `mlflow ui` shows.
        experiment: The name under which the runs stand together.
        every: Training metrics are kept every so many steps.
    """

    uri: str | None = None
    experiment: str = "vlatent"
    every: PositiveInt = 10

    def __post_init__(self) -> None:
        if not self.experiment.strip():
            raise UserError("tracking.experiment is empty; give a name, 'vlatent' for instance")


@runtime_checkable
class Tracker(Protocol):
    """Keeps what a run measures. No method fails because of the store behind it."""

    def params(self, values: Mapping[str, object]) -> None:
        """Keep settings, which hold for the whole run."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep measurements of one step; `flush` makes them visible."""

    def tags(self, values: Mapping[str, object]) -> None:
        """Keep labels, of which the last value counts."""

    def note(self, markdown: str) -> None:
        """Keep the description that stands at the head of the run's page."""

    def text(self, name: str, content: str) -> None:
        """Keep a text file, `config.yaml` for instance."""

    def figure(self, name: str, png: bytes) -> None:
        """Keep a picture as `figures/<name>.png`."""

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keep a copy of a file, which must stay in its place until the run has ended."""

    def dataset(self, name: str, fingerprint: str, source: str, counts: Mapping[str, int]) -> None:
        """Keep which data the run used: their fingerprint, their place and how many they are."""

    def flush(self) -> None:
        """Make everything so far visible: once an evaluation, and before a checkpoint is saved."""

    def close(self, status: Status, error: str | None = None) -> None:
        """End the run: FINISHED, KILLED (pruned, interrupted) or FAILED with its traceback."""


@dataclass
class MemoryTracker:
    """Keeps everything in plain dictionaries."""

    settings: dict[str, object] = field(default_factory=dict)
    history: dict[str, dict[int, float]] = field(default_factory=dict)  # name → step → value
    labels: dict[str, object] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    datasets: dict[str, dict[str, object]] = field(default_factory=dict)
    description: str = ""
    status: Status | None = None
    error: str | None = None

    def params(self, values: Mapping[str, object]) -> None:
        self.settings.update(values)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.history.setdefault(name, {})[step] = float(value)

    def tags(self, values: Mapping[str, object]) -> None:
        self.labels.update(values)

    def note(self, markdown: str) -> None:
        self.description = markdown

    def text(self, name: str, content: str) -> None:
        self.files[name] = content.encode("utf-8", "backslashreplace")

    def figure(self, name: str, png: bytes) -> None:
        self.files[f"figures/{name}.png"] = png

    def artifact(self, path: Path, folder: str = "") -> None:
        self.files[posixpath.join(folder, path.name)] = path.read_bytes()

    def dataset(self, name: str, fingerprint: str, source: str, counts: Mapping[str, int]) -> None:
        self.datasets[name] = {"fingerprint": fingerprint, "source": source, **counts}

    def flush(self) -> None:
        pass

    def close(self, status: Status, error: str | None = None) -> None:
        self.status, self.error = status, error


class MlflowTracker:
    """Keeps a run in MLflow; made by `open_run` and `reopen_run`.

    Metrics are sent at the next flush, everything else at once. While the store does not answer,
    all of it waits in the journal.
    """

    def __init__(self, address: str, run: Call, journal: _Journal) -> None:
        self._address = address
        self._run = run  # the journal's first line: enough to find the run, or to make it
        self._journal = journal
        self._rows: list[tuple[str, float, int, int]] = []  # name, value, time, step
        self._params: dict[str, str] = {}
        self._recorded: set[tuple[str, int]] = set()  # name and step of rows of an earlier process
        self._next_attempt = 0.0
        self._warned: set[str] = set()

    @property
    def run_id(self) -> str | None:
        """MLflow's name of the run; None while a patient run has not met its store."""
        run_id: str | None = self._run["run_id"]
        return run_id

    def params(self, values: Mapping[str, object]) -> None:
        texts = {_name(name): _text(value, PARAM_LENGTH) for name, value in values.items()}
        changed = {k: v for k, v in texts.items() if self._params.get(k, v) != v}
        new = {k: v for k, v in texts.items() if k not in self._params}
        self._params |= new
        for batch in _batches(list(new.items()), VALUES_PER_BATCH):
            self._submit({"call": "params", "values": dict(batch)})
        # MLflow never changes a parameter, and for one that differs it refuses the whole batch:
        # what a study that goes on with more trials has changed is told by tags.
        self.tags({f"changed.{k}": v for k, v in changed.items()})

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        now = _milliseconds()
        for key, value in values.items():
            name = _name(key)
            if (name, step) not in self._recorded:
                self._rows.append((name, float(value), now, step))

    def tags(self, values: Mapping[str, object]) -> None:
        texts = {_name(name): _text(value, TAG_LENGTH) for name, value in values.items()}
        for batch in _batches(list(texts.items()), VALUES_PER_BATCH):
            self._submit({"call": "tags", "values": dict(batch)})

    def note(self, markdown: str) -> None:
        self.tags({"mlflow.note.content": markdown})

    def text(self, name: str, content: str) -> None:
        self._content(name, content.encode("utf-8", "backslashreplace"))

    def figure(self, name: str, png: bytes) -> None:
        self._content(f"figures/{name}.png", png)

    def artifact(self, path: Path, folder: str = "") -> None:
        self._submit({"call": "file", "path": str(path.absolute()), "folder": folder})

    def dataset(self, name: str, fingerprint: str, source: str, counts: Mapping[str, int]) -> None:
        call: Call = {"call": "dataset", "name": name, "source": source, "counts": dict(counts)}
        self._submit(call | {"digest": fingerprint[:DIGEST_LENGTH]})

    def flush(self) -> None:
        while rows := self._rows[:METRICS_PER_BATCH]:
            self._submit({"call": "metrics", "rows": rows})
            del self._rows[: len(rows)]  # afterwards: an interruption sends them again, at worst
        if self._journal.exists() and monotonic() >= self._next_attempt:
            self._catch_up()

    def close(self, status: Status, error: str | None = None) -> None:
        self._next_attempt = math.inf  # what waits is delivered below, all at once
        self.flush()
        if error:
            self.text("traceback.txt", error)
            self.tags({"error": error.strip().rpartition("\n")[2][:ERROR_LENGTH]})
        self._submit({"call": "end", "status": status, "time": _milliseconds()})
        if self._journal.exists():
            self._catch_up(math.inf)
        if self._journal.exists():
            self._warn(
                "end",
                f"run {self._run['name']!r} has ended before its store was back; what is still "
                f"to be delivered stays in {self._journal.path}",
            )
            self._journal.release()

    def _content(self, name: str, content: bytes) -> None:
        encoded = base64.b64encode(content).decode("ascii")
        self._submit({"call": "content", "name": name, "base64": encoded})

    def _submit(self, call: Call) -> None:
        """Send a call, or let it wait behind those that could not be sent."""
        if self._journal.exists():
            self._keep(call)
            if monotonic() >= self._next_attempt:
                self._catch_up()
            return
        started = monotonic()
        try:
            self._send(call)
        except Exception as error:
            self._failed(error, started)
            self._keep(*([self._run] if call is self._run else [self._run, call]))

    def _catch_up(self, seconds: float = LONGEST_DELIVERY) -> int:
        """Send what waits, as far as store and time allow; returns how many calls that were."""
        before = self._journal.delivered
        begun = started = monotonic()
        try:
            for call in self._journal.waiting():
                started = monotonic()
                if started - begun > seconds:
                    self._leave_alone(started - begun)
                    return self._journal.delivered - before
                self._send(call)
                self._journal.delivered += 1
        except Exception as error:
            self._failed(error, started)
            return self._journal.delivered - before
        sent = self._journal.delivered - before
        self._journal.remove()
        return sent

    def _send(self, call: Call) -> None:
        """Hand one call to the store; raises when it is to be handed over again later."""
        with _quiet():
            client = _client(self._address)
            if self._run["run_id"] is None:
                self._run["run_id"] = _make_run(client, self._address, self._run)
            try:
                _send(client, self._run["run_id"], call)
            except Exception as error:
                if not _is_final(error):
                    raise
                refusal = f"cannot keep {call['call']}: {_reason(error)}"
            else:
                return
        self._warn(call["call"], f"run {self._run['name']!r} {refusal}")

    def _keep(self, *calls: Call) -> None:
        try:
            self._journal.append(*calls)
        except OSError as error:
            self._warn("journal", f"measurements are lost, {self._journal.path}: {error.strerror}")

    def _failed(self, error: Exception, started: float) -> None:
        self._leave_alone(monotonic() - started)
        self._warn(
            "store",
            f"{_shown(self._address)} fails ({_reason(error)}); measurements wait in "
            f"{self._journal.path} and are delivered when it is back",
        )

    def _leave_alone(self, spent: float) -> None:
        self._next_attempt = monotonic() + max(SHORTEST_WAIT, PATIENCE * spent)

    def _warn(self, subject: str, message: str) -> None:
        if subject not in self._warned:
            self._warned.add(subject)
            logger.warning("tracking: %s", message)


class _Journal:
    """The calls that the store has not taken yet, a line of JSON each, in their order.

    It is only ever appended to or removed as a whole: as calls may be delivered twice without
    harm, a process that is killed at any moment leaves at most one unfinished line. Whoever writes
    or delivers it holds its lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.delivered = 0
        self._lock: int | None = None

    def exists(self) -> bool:
        return self._lock is not None

    def adopt(self) -> bool:
        """Take over what an ended process has left; False when it has left nothing.

        Raises:
            BlockingIOError: The process still lives.
        """
        if not self.path.is_file():
            return False
        self._open()
        content = self.path.read_bytes()
        os.truncate(self.path, content.rfind(b"\n") + 1)
        return True

    def append(self, *calls: Call) -> None:
        if self._lock is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        size = self.path.stat().st_size
        try:
            with self.path.open("ab") as file:
                file.writelines(json.dumps(call).encode() + b"\n" for call in calls)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk must not leave half a line for the next call to go on with
            os.truncate(self.path, size)
            if size == 0:
                self.remove()
            raise

    def waiting(self) -> Iterator[Call]:
        with self.path.open("rb") as file:
            for line in itertools.islice(file, self.delivered, None):
                yield json.loads(line)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock, self.delivered = None, 0

    def _open(self) -> None:
        lock = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._lock = lock


def open_run(
    tracking: TrackingConfig,
    name: str,
    parent: str | None = None,
    tags: Mapping[str, object] | None = None,
    *,
    folder: Path = Path("runs"),
    patient: bool = False,
) -> MlflowTracker:
    """Begin a run.

    Args:
        tracking: Where.
        name: What lists call the run.
        parent: Id of the run below which this one stands.
        tags: Labels, beside those for the command, its user and its git commit.
        folder: Where measurements wait on disk while the store does not answer.
        patient: Begin although the store does not answer; the run is made when it is back. For
            the trials of a study, whose own run has shown that the store can be used.

    Raises:
        UserError: The store cannot be used (unless patient).
    """
    key = uuid.uuid4().hex
    labels = {_name(label): _text(value, TAG_LENGTH) for label, value in (tags or {}).items()}
    parents = {"mlflow.parentRunId": parent} if parent else {}
    run: Call = {
        "call": "run",
        "key": key,
        "run_id": None,
        "experiment": tracking.experiment,
        "name": name,
        "start": _milliseconds(),
        "tags": _context() | labels | parents | {KEY: key},
    }
    address = _address(tracking)
    tracker = MlflowTracker(address, run, _journal(folder, key))
    if patient:
        tracker._submit(run)
    else:
        with _usable(address) as client:
            run["run_id"] = _make_run(client, address, run)
    return tracker


def reopen_run(
    tracking: TrackingConfig, run_id: str, *, folder: Path = Path("runs")
) -> MlflowTracker:
    """Continue a run: what waits in its journal is delivered, and it counts as running again.

    A value that the run has for a metric at a step stays: steps that are trained again after a
    crash are not shown twice.

    Raises:
        UserError: The store cannot be used or does not know the run, or the run is still alive.
    """
    address = _address(tracking)
    with _usable(address) as client:
        known = client.get_run(run_id)
        key = known.data.tags.get(KEY, run_id)
        run: Call = {"call": "run", "key": key, "run_id": run_id, "name": known.info.run_name}
        tracker = MlflowTracker(address, run, _journal(folder, key))
        try:
            if tracker._journal.adopt():
                tracker._catch_up(math.inf)
        except BlockingIOError:
            raise UserError(
                f"run {run_id} is still written by another process ({tracker._journal.path}); "
                "end that process first"
            ) from None
        client.update_run(run_id, status="RUNNING")
        known = client.get_run(run_id)
        tracker._params = dict(known.data.params)
        tracker._recorded = {
            (name, row.step)
            for name in known.data.metrics
            for row in client.get_metric_history(run_id, name)
        }
    return tracker


def find_run(tracking: TrackingConfig, tags: Mapping[str, str]) -> str | None:
    """Id of the newest run that has all these tags; None when there is none.

    Raises:
        UserError: The store cannot be used.
    """
    address = _address(tracking)
    with _usable(address) as client:
        experiment = _experiment(address, tracking.experiment)
        runs = client.search_runs(
            [experiment], _having(tags), order_by=["attributes.start_time DESC"], max_results=1
        )
        run_id: str | None = runs[0].info.run_id if runs else None
        return run_id


def deliver(journal: Path, tracking: TrackingConfig) -> int:
    """Send what an ended process has left in its journal; returns how many calls that were.

    The journal is removed when all of it was delivered. Zero when the process is still alive, as
    it delivers by itself.

    Raises:
        UserError: The store cannot be used.
    """
    left = _Journal(journal)
    try:
        if not left.adopt():
            return 0
    except BlockingIOError:
        return 0
    try:
        run = next(left.waiting(), None)
        if run is None:  # killed before the first line was whole
            left.remove()
            return 0
        address = _address(tracking)
        with _usable(address):
            return MlflowTracker(address, run, left)._catch_up(math.inf)
    finally:
        left.release()


def view_command(tracking: TrackingConfig) -> str:
    """What shows the runs: a command line, or the address of the server."""
    address = _address(tracking)
    if address.startswith(("http://", "https://")):
        return _shown(address)
    # Old files in ./mlruns take precedence over ./mlflow.db in a bare `mlflow ui`.
    if address == _address(TrackingConfig()) and not any(Path("mlruns").glob("[0-9]*/meta.yaml")):
        return "mlflow ui"
    return f"mlflow ui --backend-store-uri {_shown(address)}"


def _send(client: MlflowClient, run_id: str, call: Call) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    match call["call"]:
        case "metrics":
            client.log_batch(run_id, metrics=[Metric(*row) for row in call["rows"]])
        case "params":
            client.log_batch(run_id, params=[Param(*item) for item in call["values"].items()])
        case "tags":
            client.log_batch(run_id, tags=[RunTag(*item) for item in call["values"].items()])
        case "content":
            folder, name = posixpath.split(call["name"])
            with tempfile.TemporaryDirectory() as temporary:
                path = Path(temporary, name)
                path.write_bytes(base64.b64decode(call["base64"]))
                client.log_artifact(run_id, str(path), folder or None)
        case "file":
            client.log_artifact(run_id, call["path"], call["folder"] or None)
        case "dataset":
            source = json.dumps({"uri": call["source"]})
            data = Dataset(
                call["name"], call["digest"], "local", source, profile=json.dumps(call["counts"])
            )
            context = InputTag("mlflow.data.context", call["name"])
            client.log_inputs(run_id, [DatasetInput(data, [context])])
        case "end":
            client.set_terminated(run_id, call["status"], call["time"])
        case "run":
            pass  # exists by now


def _make_run(client: MlflowClient, address: str, run: Call) -> str:
    experiment = _experiment(address, run["experiment"])
    # An earlier attempt may have made it although no answer came back.
    earlier = client.search_runs([experiment], _having({KEY: run["key"]}), max_results=1)
    made = (
        earlier[0]
        if earlier
        else client.create_run(experiment, run["start"], run["tags"], run["name"])
    )
    run_id: str = made.info.run_id
    return run_id


@functools.cache
def _client(address: str) -> MlflowClient:
    """One client for a store and a process: it holds the connections."""
    import mlflow

    if _is_server(address):
        return mlflow.MlflowClient(address, address)
    if "://" not in address or address.startswith("file:"):
        raise UserError(
            f"tracking.uri {address!r} is neither a database (sqlite:///mlflow.db) nor a server "
            "(http://…); for a folder of old runs, `mlflow migrate-filestore` makes a database"
        )
    with _alone(address):
        _check_database(address)
        return mlflow.MlflowClient(address, address)


def _check_database(address: str) -> None:
    """Refuse what MLflow would wait for minutes to reach, or would put its tables into."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(address)
    tables = set(sqlalchemy.inspect(engine).get_table_names())
    engine.dispose()
    foreign = tables - {"alembic_version"} and "experiments" not in tables
    if foreign or "studies" in tables:
        raise UserError(
            f"tracking.uri {_shown(address)} is the database of another program (its tables: "
            f"{', '.join(sorted(tables)[:3])} …); MLflow needs one of its own"
        )


@contextlib.contextmanager
def _alone(address: str) -> Iterator[None]:
    """One process at a time: MLflow's migrations of a new database race."""
    lock = os.open(_home(address), os.O_RDONLY)  # a folder can be locked and leaves no file behind
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@functools.cache
def _experiment(address: str, name: str) -> str:
    """Id of the experiment, which is made or restored when need be."""
    from mlflow.exceptions import MlflowException

    client = _client(address)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        # A server knows where its pictures are. A database does not: without an absolute place
        # they would land below whichever directory a run happens to be started in.
        place = None if _is_server(address) else str(_home(address) / "mlartifacts")
        # Else the pages open on views for chat applications.
        kind = {"mlflow.experimentKind": "custom_model_development"}
        try:
            made: str = client.create_experiment(name, place, kind)
            return made
        except MlflowException as error:
            experiment = client.get_experiment_by_name(name)
            if error.error_code != "RESOURCE_ALREADY_EXISTS" or experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        logger.warning("tracking: experiment %r had been deleted and is restored", name)
    place = experiment.artifact_location
    behind_server = place.startswith("mlflow-artifacts:") and not _is_server(address)
    # mlflow would make the folder here, where the server's machine does not see it.
    elsewhere = place.startswith("/") and not Path(place).parent.is_dir()
    if behind_server or elsewhere:
        raise UserError(
            f"tracking.experiment {name!r} keeps its pictures in {place}, which "
            f"{_shown(address)} cannot be used for here; give another tracking.experiment"
        )
    experiment_id: str = experiment.experiment_id
    return experiment_id


def _address(tracking: TrackingConfig) -> str:
    """The store's address, the same in whichever directory it is used."""
    uri = "sqlite:///mlflow.db" if tracking.uri is None else tracking.uri
    scheme, separator, file = uri.partition(":///")
    if scheme.startswith("sqlite") and separator and file != ":memory:":
        return f"{scheme}:///{Path(file).absolute()}"
    return uri.rstrip("/")


def _home(address: str) -> Path:
    """The folder in which a database lies, or that stands in for it."""
    scheme, _, file = address.partition(":///")
    home = Path(file).parent if scheme.startswith("sqlite") else Path.cwd()
    home.mkdir(parents=True, exist_ok=True)
    return home


def _is_server(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _shown(address: str) -> str:
    return re.sub(r"//([^/:@]*):[^/@]*@", r"//\1:***@", address)


def _journal(folder: Path, key: str) -> _Journal:
    return _Journal(folder.absolute() / f"tracking-{key}.jsonl")


@contextlib.contextmanager
def _usable(address: str) -> Iterator[MlflowClient]:
    """Tell the user in one line why a store cannot be used."""
    try:
        with _quiet():
            yield _client(address)
    except UserError:
        raise
    except Exception as error:
        way_out = "start its server, correct it" if _is_server(address) else "correct it"
        raise UserError(
            f"tracking.uri {_shown(address)} cannot be used ({_reason(error)}); {way_out}, or "
            "leave it away to record in ./mlflow.db"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries from printing at length what they raise as well."""
    for setting, value in SETTINGS.items():
        os.environ.setdefault(setting, value)
    import mlflow  # noqa: F401, sets the levels of its loggers when it is first imported

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.CRITICAL)
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def _is_final(error: Exception) -> bool:
    """Whether asking again cannot help, and would only hold up the calls that wait behind."""
    code = getattr(error, "error_code", None)
    return code == "INVALID_PARAMETER_VALUE" or isinstance(error, FileNotFoundError)


def _reason(error: BaseException) -> str:
    """The first line of what lies at the root of an error."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _having(tags: Mapping[str, str]) -> str:
    """MLflow's filter for runs that have all these tags."""
    terms = []
    for name, value in tags.items():
        quote = '"' if "'" in value else "'"
        terms.append(f"tags.`{_name(name)}` = {quote}{value}{quote}")
    return " and ".join(terms)


def _name(name: str) -> str:
    """The same name where MLflow accepts it, otherwise one that differs as little as possible."""
    valid = re.sub(r"[^\w.\-: /]", lambda match: f"_{ord(match[0]):x}_", name)
    if posixpath.normpath(valid) != valid or valid.startswith(("/", "..")) or valid == ".":
        valid = "_" + re.sub(r"[/.]", "_", valid)  # would be another path, or none
    if len(valid) > NAME_LENGTH:
        digest = hashlib.sha256(valid.encode()).hexdigest()[:8]
        valid = f"{valid[: NAME_LENGTH - 9]}_{digest}"
    return valid


def _text(value: object, length: int) -> str:
    """A value as a database can keep it: neither too long nor with characters that it refuses."""
    text = str(value).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _milliseconds() -> int:
    return time_ns() // 1_000_000


@functools.cache
def _context() -> dict[str, str]:
    """Labels for the command, its user and the commit of this code."""
    with _quiet():
        from mlflow.tracking.context.registry import resolve_tags

        labels: dict[str, str] = resolve_tags()
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit, status = (
            subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):  # installed, or a checkout without a commit
        return labels
    return labels | {
        "mlflow.source.git.commit": commit.strip(),
        "vlatent.git.dirty": str(bool(status)).lower(),
    }
