"""Samplers and pruners by name: arguments, seeds, sequences, and who is pruned."""

from __future__ import annotations

import copy
from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from studies.question import Choice, Range, Space
from studies.search import SAMPLERS, Tpe, grid, grid_size, pruner, sampler
from studies.settings import StudyConfig
from vlatent.shapes import UserError

SPACE: Space = {"x": Range(1e-3, 1.0), "share": Range(0.0, 0.5, log=False), "n": Choice((2, 4, 8))}


def settings(**values: object) -> StudyConfig:
    return StudyConfig(**values)  # type: ignore[arg-type]


def run(chosen: StudyConfig, trials: int, objectives: int = 1) -> optuna.Study:
    """A study whose sampler is made anew for every trial, as workers do."""
    ways = [StudyDirection.MAXIMIZE] * objectives
    study = optuna.create_study(directions=ways)
    for ordinal in range(trials):
        study.sampler = sampler(chosen, SPACE, ordinal)
        trial = study.ask()
        values = [values.suggest(trial, name) for name, values in SPACE.items()]
        trial.set_constraint("half", values[0] - 0.5)
        study.tell(trial, [values[0] - values[1]] * objectives)
    return study


@pytest.mark.filterwarnings("ignore:Constraints have been set")  # CMA-ES says so, as our help does
@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"grid"}))
def test_every_sampler_suggests_what_the_space_holds_and_repeats_itself(name: str) -> None:
    chosen = settings(sampler=name, seed=3)
    once, again = run(chosen, 14), run(chosen, 14)
    assert [t.params for t in once.trials] == [t.params for t in again.trials]
    for trial in once.trials:
        assert all(values.holds(trial.params[key]) for key, values in SPACE.items())
    assert len({trial.params["x"] for trial in once.trials}) > 10  # a child may be as its parent


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "random", "gp"])
def test_samplers_for_several_objectives(name: str) -> None:
    assert len(run(settings(sampler=name), 12, objectives=2).best_trials) > 0


def test_another_seed_draws_something_else() -> None:
    one, other = (run(settings(seed=seed), 3).trials for seed in (0, 1))
    assert one[0].params != other[0].params


def test_a_sequence_stays_one_sequence() -> None:
    study = run(settings(sampler="qmc"), 9)
    shares = sorted(trial.params["share"] / 0.5 for trial in study.trials[1:])
    # A Sobol sequence puts one of its first eight points into every eighth.
    assert [int(8 * share) for share in shares] == list(range(8))


def test_a_grid_visits_every_point_once() -> None:
    assert grid_size(SPACE) == 27
    assert grid(SPACE)["x"] == pytest.approx([1e-3, 10**-1.5, 1.0])
    study = optuna.create_study()
    for ordinal in range(27):
        study.sampler = sampler(settings(sampler="grid"), SPACE, ordinal)
        study.optimize(
            lambda trial: sum(values.suggest(trial, name) for name, values in SPACE.items()),
            n_trials=1,
        )
    points = {tuple(trial.params.values()) for trial in study.trials}
    assert len(points) == 27


def test_search_learns() -> None:
    """The default's later half lies nearer to the optimum than random search's."""

    def late(name: str) -> float:
        ends = [run(settings(sampler=name, seed=seed), 40).trials[20:] for seed in range(3)]
        values = [trial.values[0] for trials in ends for trial in trials]
        return sum(values) / len(values)

    assert late("tpe") > late("random") + 0.1


def test_arguments_reach_the_sampler_and_wrong_ones_are_named() -> None:
    made = sampler(settings(sampler_arguments={"n_startup_trials": 3}), SPACE, 0)
    assert made._n_startup_trials == 3  # type: ignore[attr-defined]
    with pytest.raises(
        UserError, match=r"sampler_arguments has no n_startup; tpe takes .*n_startup_trials"
    ):
        sampler(settings(sampler_arguments={"n_startup": 3}), SPACE, 0)
    with pytest.raises(UserError, match="do not fit nsga2"):
        sampler(settings(sampler="nsga2", sampler_arguments={"population_size": 1}), SPACE, 0)
    with pytest.raises(UserError, match="pruner_arguments has no n_warmup; criteria takes"):
        pruner(settings(pruner_arguments={"n_warmup": 3}), 100)


def pruned(chosen: StudyConfig, course: list[float], others: int = 6) -> int | None:
    """The step at which a trial of this course is pruned beside good ones."""
    study = optuna.create_study(direction="maximize", pruner=pruner(chosen, 100))
    for _ in range(others):
        trial = study.ask()
        for index in range(1, 11):
            trial.report(index + 0.01 * trial.number, 10 * index)
            trial.should_prune()  # some pruners learn only when they are asked
        study.tell(trial, 10.0)
    trial = study.ask()
    for index, value in enumerate(course, 1):
        trial.report(value, 10 * index)
        if trial.should_prune():
            return 10 * index
    return None


@pytest.mark.parametrize("name", ["criteria", "median"])
def test_a_median_of_the_score_waits_for_forty_percent(name: str) -> None:
    assert pruned(settings(pruner=name), [0.0] * 10) == 40
    assert pruned(settings(pruner=name), [20.0] * 10) is None
    assert pruned(settings(pruner="none"), [0.0] * 10) is None


def drawn(trials: list[FrozenTrial], make: Callable[..., TPESampler]) -> list[dict[str, object]]:
    """What ten samplers draw after these trials."""
    params = []
    for seed in range(10):
        study = optuna.create_study(direction="maximize", sampler=make(seed=seed))
        study.add_trials(trials)
        trial = study.ask()
        for name, values in SPACE.items():
            values.suggest(trial, name)
        params.append(trial.params)
    return params


def test_to_tpe_a_trial_that_was_begun_again_is_one_trial_in_its_place() -> None:
    ended = run(settings(sampler="random"), 12).trials
    for ordinal, trial in enumerate(ended):
        trial.set_user_attr("ordinal", ordinal)
    ways = sorted(ended, key=lambda trial: (max(trial.constraints["half"], 0.0), -trial.values[0]))
    first, second = sorted(trial.number for trial in ways[:2])  # those around which it draws
    revived, dead = copy.deepcopy(ended[first]), copy.deepcopy(ended[second])
    dead.state, dead.values = TrialState.FAIL, None
    again: list[FrozenTrial] = [*ended, ended[second], revived]  # in the other order
    again[first], again[second] = as_pruned(ended[first]), dead
    undisturbed = [*ended[:first], copy.deepcopy(revived), *ended[first + 1 :]]
    before = drawn(undisturbed, Tpe)
    assert before == drawn(undisturbed, TPESampler)
    assert drawn(again, TPESampler) != before
    revived.set_user_attr("continues", first)
    assert drawn(again, Tpe) == before


def as_pruned(trial: FrozenTrial) -> FrozenTrial:
    stopped = copy.deepcopy(trial)
    stopped.state, stopped.values = TrialState.PRUNED, None
    return stopped


def test_patience_lets_a_trial_that_improves_go_on() -> None:
    patient = settings(pruner_arguments={"patience": 3})
    assert pruned(patient, [0.1 * index for index in range(10)]) is None
    assert pruned(patient, [-0.1 * index for index in range(10)]) == 50


@pytest.mark.parametrize(("name", "others"), [("hyperband", 40), ("wilcoxon", 3)])
def test_other_pruners_stop_a_hopeless_trial(name: str, others: int) -> None:
    assert pruned(settings(pruner=name), [-5.0] * 10, others) is not None
