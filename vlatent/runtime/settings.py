"""Settings that studies and ablations share: the database, the workers, the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt

from vlatent.bounds import require_bounds
from vlatent.names import LONGEST, checked_name
from vlatent.runtime.addresses import shown


@dataclass(frozen=True, kw_only=True)
class WorkSettings:
    """Settings of work that many processes share.

    Attributes:
        section: What its flags begin with.
        most: Largest values of its numbers.
        longest_name: Largest number of bytes of its name.
        name: Name of the folder and of the run in the tracker; null takes that of the question.
        storage: Database that workers share: a file (sqlite:///FILE.db) or a server for many
            machines (postgresql+psycopg://user@host/database).
        workers: Number of worker processes here; they share the cores.
        launcher: `processes` on this machine, or tasks of a `ray` cluster.
        cpus: Processors of a worker on Ray.
        gpus: Share of a GPU of a worker on Ray.
        retries: How often a training is begun again whose worker died or failed.
        folder: Where checkpoints, configs, tables and figures go.
    """

    section: ClassVar[str]
    most: ClassVar[Mapping[str, float]] = {
        "workers": 1_000,
        "cpus": 10_000,
        "gpus": 10_000,
        "retries": 1_000,
    }
    longest_name: ClassVar[int] = LONGEST

    name: str | None = None
    storage: str
    workers: PositiveInt = 1
    launcher: Literal["processes", "ray"] = "processes"
    cpus: NonNegativeFloat = 1.0
    gpus: NonNegativeFloat = 0.0
    retries: NonNegativeInt
    folder: Path = Path("runs")

    def __post_init__(self) -> None:
        require_bounds(self.section, self, most=self.most)
        checked_name(f"{self.section}.name", self.name, self.longest_name)

    def params(self) -> dict[str, object]:
        """All settings by the names of their flags, without passwords."""
        values = asdict(self) | {"storage": shown(self.storage)}
        return {f"{self.section}.{name}": value for name, value in values.items()}
