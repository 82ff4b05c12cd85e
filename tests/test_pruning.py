"""Who is pruned by the criteria, and who is revived: worked by hand, and at random."""

from __future__ import annotations

import random

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.pruning import VIOLATIONS, CriteriaPruner
from studies.search import pruner
from studies.settings import StudyConfig
from studies.trial import requeue


def stopped_by_criteria(others: list[list[float]], course: list[float]) -> int | None:
    """The evaluation at which a trial with these violations is stopped; its score is the worst."""
    study = optuna.create_study(direction="maximize", pruner=pruner(StudyConfig(), 100))

    def trained(violations: list[float], score: float) -> int | None:
        trial, told = study.ask(), {}
        for index, value in enumerate(violations, 1):
            trial.report(score, 10 * index)
            told[str(10 * index)] = value
            trial.set_user_attr(VIOLATIONS, told)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return index
        study.tell(trial, score)
        return None

    for violations in others:
        trained(violations, 9.0)
    return trained(course, 0.0)


def test_criteria_stop_whoever_is_farther_from_passing_than_half() -> None:
    others = [[9.0, 6.0, 5.0, 4.0, 3.0], [9.0, 6.0, 5.0, 2.0, 0.0]] * 2
    # At evaluation 4, the first that counts, the others have 4, 2, 4, 2: the median is 3.
    assert stopped_by_criteria(others, [9.0, 9.0, 9.0, 3.1, 0.0]) == 4
    assert stopped_by_criteria(others, [9.0, 9.0, 9.0, 3.0, 1.5]) is None
    assert stopped_by_criteria(others, [9.0, 1.0, 9.0, 9.0, 9.0]) is None  # it had been nearer
    assert stopped_by_criteria(others[:3], [9.0] * 5) is None  # too few have ended


def test_criteria_count_those_that_were_stopped_themselves() -> None:
    others = [[1.0, 1.0, 1.0, 1.0, 1.0]] * 4 + [[5.0, 5.0, 5.0, 5.0, 5.0]] * 5
    # All five are stopped at evaluation 4, and move its median from 1 to 5.
    assert stopped_by_criteria(others, [5.0, 5.0, 5.0, 5.0, 5.0]) == 5
    assert stopped_by_criteria(others, [6.0, 6.0, 6.0, 5.1, 1.0]) == 4


def test_criteria_never_stop_a_trial_that_keeps_every_limit() -> None:
    others = [[0.0] * 5] * 6  # all of a better score
    assert stopped_by_criteria(others, [9.0, 9.0, 9.0, 0.0, 0.0]) is None


def course(
    *violations: float, state: TrialState = TrialState.COMPLETE, **attrs: object
) -> FrozenTrial:
    """A trial with these violations at steps 10, 20 and so on."""
    told = {10 * index: value for index, value in enumerate(violations, 1)}
    return create_trial(
        state=state,
        value=1.0 if state == TrialState.COMPLETE else None,
        intermediate_values=dict.fromkeys(told, 1.0),
        user_attrs={VIOLATIONS: {str(step): value for step, value in told.items()}} | attrs,
    )


def promising(*trials: FrozenTrial) -> list[int]:
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    judge = pruner(StudyConfig(), 100)
    assert isinstance(judge, CriteriaPruner)
    return [trial.number for trial in judge.promising(study)]


def test_a_pruned_trial_is_promising_once_the_others_median_has_come_up_to_it() -> None:
    full = [course(9, 9, 9, last, 0) for last in (2, 2, 4, 4)]
    stopped = course(9, 3.5, 9, 9, state=TrialState.PRUNED)  # at evaluation 4, where others have 3
    assert promising(*full, stopped) == []
    assert promising(*full, stopped, course(9, 9, 9, 3.4)) == []  # the median is 3.4
    assert promising(*full, stopped, course(9, 9, 9, 3.5)) == [4]  # not above it
    nearer = course(9, 9, 9, 3.2, state=TrialState.PRUNED)
    assert promising(*full, stopped, nearer, *[course(9, 9, 9, 8)] * 2) == [5, 4]
    early = course(9, 9, 0.1, state=TrialState.PRUNED)  # before any is judged
    assert promising(*full, early) == []
    assert promising(*full[:3], stopped) == []  # too few have ended
    lacking = create_trial(state=TrialState.PRUNED, intermediate_values={40: 1.0})
    assert promising(*full, lacking) == []  # of a study without limits, or of before they were told


def test_a_revived_trial_is_one_of_the_others_once() -> None:
    full = [course(9, 9, 9, last, 0, ordinal=last) for last in (1, 2, 3, 4)]
    stopped = course(9, 9, 9, 5, state=TrialState.PRUNED, ordinal=5)
    again = course(9, 9, 9, 5, 5, ordinal=5, continues=4)
    judged = course(9, 9, 9, 3.5, state=TrialState.PRUNED, ordinal=6)
    assert promising(*full, stopped, again, judged) == []  # 1 2 3 4 5, not 1 2 3 4 5 5
    running = course(9, 9, 9, 5, state=TrialState.RUNNING, ordinal=5, continues=4)
    assert promising(*full, *[course(9, 9, 9, 6)] * 4, stopped, running) == [8]
    running.user_attrs["continues"] = 8
    assert promising(*full, *[course(9, 9, 9, 6)] * 4, stopped, running) == []  # revived already
    near = course(9, 9, 9, 0.5, state=TrialState.PRUNED, ordinal=5)
    judged = course(9, 9, 9, 2.2, state=TrialState.PRUNED, ordinal=6)
    running.user_attrs["continues"] = 4
    assert promising(*full, near, running, judged) == []  # 0.5 1 2 3 4: meanwhile it still stands


def test_who_has_just_been_pruned_is_not_revived_at_once_and_each_revival_goes_further() -> None:
    """Random courses that become worse, three trials at a time, any of which goes on next."""
    draw = random.Random(0)
    study = optuna.create_study(pruner=pruner(StudyConfig(), 100))
    courses = [[draw.uniform(1, 3) + place / 20 for _ in range(10)] for place in range(60)]
    live: list[tuple[optuna.Trial, int]] = []
    begun = 0
    while begun < len(courses) or live:
        if len(live) < 3 and begun < len(courses):
            ready = study.pruner.promising(study)  # type: ignore[attr-defined]
            if ready:
                requeue(study, ready[0], 0)
            else:
                study.enqueue_trial({"x": 0.5}, user_attrs={"ordinal": begun})
                begun += 1
            trial = study.ask()
            trial.suggest_float("x", 0, 1)
            place, since = trial.user_attrs["ordinal"], trial.user_attrs.get("revived", 0)
            for index, value in enumerate(courses[place][: since // 10], 1):
                tell(trial, 10 * index, value)
            live.append((trial, since))
            continue
        trial, step = live.pop(draw.randrange(len(live)))
        step += 10
        tell(trial, step, courses[trial.user_attrs["ordinal"]][step // 10 - 1])
        if step == 100:
            study.tell(trial, 0.0)
        elif trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            ready = study.pruner.promising(study)  # type: ignore[attr-defined]
            assert trial.number not in [each.number for each in ready]
        else:
            live.append((trial, step))
    revived = [trial for trial in study.trials if "revived" in trial.user_attrs]
    assert len(revived) > 20
    assert all((trial.last_step or 0) > trial.user_attrs["revived"] for trial in revived)


def tell(trial: optuna.Trial, step: int, violation: float) -> None:
    trial.report(0.0, step)
    told = trial.user_attrs.get(VIOLATIONS, {})
    trial.set_user_attr(VIOLATIONS, told | {str(step): violation})
