"""Which trials count, which is best, when a study stagnates: worked by hand."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.record import all_failed, counted, counts, feasible, ranked, stagnated


def trial(
    state: str = "COMPLETE", value: float = 1.0, margin: float = -1.0, **attrs: object
) -> FrozenTrial:
    criteria = [{"name": "kurtosis", "margin": margin}, {"name": "plateau", "margin": -2.0}]
    steps = {10: value, 20: value}
    return create_trial(
        state=TrialState[state],
        value=value if state == "COMPLETE" else None,
        intermediate_values=steps,
        user_attrs={"criteria": criteria, **attrs},
    )


def study(*trials: FrozenTrial) -> optuna.Study:
    made = optuna.create_study(direction="maximize")
    for each in trials:
        made.add_trial(each)
    return made


def test_a_trial_counts_unless_another_continues_it() -> None:
    assert counts(trial())
    assert counts(trial("PRUNED"))
    assert counts(trial("FAIL", reason="not finite"))
    assert counts(trial("FAIL", last_attempt=True))
    assert not counts(trial("FAIL"))  # its worker died
    assert not counts(trial("FAIL", returned="stopped at step 5"))
    assert not counts(trial("FAIL", returned="stopped at step 5", last_attempt=True))
    assert not counts(trial("WAITING"))


def test_counted_trials_stand_in_their_places() -> None:
    made = study(trial(ordinal=1), trial("FAIL", ordinal=0), trial(value=2.0, ordinal=0))
    assert [each.number for each in counted(made)] == [2, 0]


def test_the_best_trial_is_feasible_or_the_nearest_one() -> None:
    far, near = trial(value=6.9, margin=0.2), trial(value=6.8, margin=0.5)
    assert ranked(study()) == []
    assert ranked(study(near, far))[0].number == 1
    made = study(far, near, trial(value=4.1, margin=0.0), trial(value=5.2), trial("PRUNED", 9.0))
    assert [each.number for each in ranked(made)] == [3, 2, 0, 1]
    assert not feasible(made.trials[4])


def test_five_failures_in_a_row_at_the_beginning_end_a_study() -> None:
    failed = [trial("FAIL", reason="broken", ordinal=index) for index in range(5)]
    assert not all_failed(study(*failed[:4]))
    assert all_failed(study(*failed))
    assert not all_failed(study(*failed[:4], trial(ordinal=5)))
    assert not all_failed(study(*(trial("FAIL") for _ in range(9))))  # killed, not failed


def test_a_study_stagnates_when_the_last_trials_brought_no_better_one() -> None:
    made = study(*(trial(value=v, ordinal=i) for i, v in enumerate([1.0, 3.0, 2.0, 3.0, 2.5])))
    assert stagnated(made, 3)
    assert not stagnated(made, 4)
    assert not stagnated(made, None)
    worse = study(*(trial(value=v, margin=1.0) for v in (1.0, 0.0, 0.0, 0.0)))
    assert not stagnated(worse, 2)  # nothing feasible yet is no reason to stop


@pytest.mark.parametrize("patience", [1, 2])
def test_a_front_stagnates_when_no_trial_joins_it(patience: int) -> None:
    made = optuna.create_study(directions=["maximize", "minimize"])
    for ordinal, values in enumerate([(1.0, 1.0), (2.0, 2.0), (0.5, 3.0)]):
        made.add_trial(
            create_trial(state=TrialState.COMPLETE, values=values, user_attrs={"ordinal": ordinal})
        )
    assert stagnated(made, patience) == (patience == 1)
