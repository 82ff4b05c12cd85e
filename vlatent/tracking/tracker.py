"""What a run may ask of its record, where the record goes, and one that only remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from jsonargparse.typing import PositiveInt

from vlatent.bounds import require_bounds
from vlatent.shapes import UserError

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where runs are recorded.

    Args:
        uri: A database (`sqlite:///…`, `postgresql+psycopg://…`) or a server (`http://…`).
            Left away: what the environment variable MLFLOW_TRACKING_URI names or, when it is not
            set, `mlflow.db` in the working directory, which `mlflow ui` shows.
        experiment: The name under which the runs stand together.
        every: Training metrics are kept every so many steps.
        figures: Draw the figures of every run at its end, or of none; or, in a study, of
            `finalists`: of trials among the best so far, of each one's first new seed, of failures.
    """

    uri: str | None = None
    experiment: str = "vlatent"
    every: PositiveInt = 10
    figures: bool | Literal["finalists"] = "finalists"

    def __post_init__(self) -> None:
        require_bounds("tracking", self)
        if not self.experiment.strip():
            raise UserError("tracking.experiment is empty; give a name, 'vlatent' for instance")


WRITING = {"every", "figures"}  # settings that only those have who record


@runtime_checkable
class Tracker(Protocol):
    """Keeps what a run measures. No method fails because of the store behind it."""

    def params(self, values: Mapping[str, object]) -> None:
        """Keep settings, which hold for the whole run."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep measurements of one step, the first of every name; `flush` makes them visible."""

    def tags(self, values: Mapping[str, object]) -> None:
        """Keep labels, of which the last value counts."""

    def note(self, markdown: str) -> None:
        """Keep the description that stands at the head of the run's page."""

    def text(self, name: str, content: str) -> None:
        """Keep a text file, `config.yaml` for instance."""

    def figure(self, name: str, png: bytes) -> None:
        """Keep a figure as `figures/<name>.png`."""

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
            self.history.setdefault(name, {}).setdefault(step, float(value))

    def tags(self, values: Mapping[str, object]) -> None:
        self.labels.update(values)

    def note(self, markdown: str) -> None:
        self.description = markdown

    def text(self, name: str, content: str) -> None:
        self.files[name] = content.encode("utf-8", "backslashreplace")

    def figure(self, name: str, png: bytes) -> None:
        self.files[f"figures/{name}.png"] = png

    def dataset(self, name: str, fingerprint: str, source: str, counts: Mapping[str, int]) -> None:
        self.datasets[name] = {"fingerprint": fingerprint, "source": source, **counts}

    def flush(self) -> None:
        pass

    def close(self, status: Status, error: str | None = None) -> None:
        self.status, self.error = status, error
