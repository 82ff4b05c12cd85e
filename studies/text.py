"""What a study came to in words: console, report, status and note all say it by these sentences."""

from __future__ import annotations

from collections.abc import Sequence

from studies.result import Finalist, StudyResult, Verification
from vlatent.formatting import duration, percent
from vlatent.intervals import alike, bracket, counted

WITHOUT_SPREAD = (
    "Warning: every confirmed trial is the same on all its new seeds, so that there are no "
    "intervals. Does the objective use its seed?"
)


def headline(result: StudyResult) -> str:
    """Which trial leads and why: what the test set says of it, then what chose it."""
    leader, name = result.leading, f"Trial {result.leader}"
    if leader is None:
        return "No trial was trained to the end yet."
    if result.basis == "knee":
        said = f"{name} is the knee of the front: the best compromise."
    elif result.basis == "confirmed":
        said = _leads(result)
    elif result.basis == "search":
        said = f"{name} is the best that passes every criterion."
    else:
        violated = ", ".join(line.name for line in leader.criteria if not line.holds)
        said = f"No trial passes every criterion. {name} is nearest; it violates {violated}."
    return " ".join([*_tested(result), said])


def _leads(result: StudyResult) -> str:
    """That the leader leads, and from which finalists that does not tell it."""
    name, label = f"Trial {result.leader}", result.objectives[0].label
    others = {finalist.number: finalist for finalist in result.finalists[1:]}
    if result.undistinguished:
        said = f"; not distinguishable from {listed(result.undistinguished)}"
    else:
        ahead = [compared.trial for compared in result.comparisons if compared.ahead]
        said = f", ahead of {listed(ahead)}" if ahead else ""
    better = [
        f" Trial {compared.trial} has the better {label} on the same seeds, but passes on "
        f"{passes(others[compared.trial])}."
        for compared in result.comparisons
        if compared.behind
    ]
    return f"{name} leads after confirmation{said}.{''.join(better)}"


def _tested(result: StudyResult) -> list[str]:
    """What the test set says of the leader, and whether others were judged on it before."""
    if result.test is None:
        return []
    seen = seeds_and_sentences(result.test)
    said = [f"Test: {figures(result, result.test)}, on {seen} that no choice has seen."]
    if before := result.tested[: result.tested.index(result.test)]:
        trials = "trials" if len(before) > 1 else "trial"
        said.append(
            f"This is look {len(before) + 1} at the test set, after {trials} "
            f"{listed([each.number for each in before])}."
        )
    return said


def without_spread(result: StudyResult) -> bool:
    """Whether every confirmed trial of a user's own problem is the same on all its new seeds."""
    again = [each.runs for each in result.finalists if len(each.runs) > 1]
    same = (alike([run.values[0] for run in runs]) for runs in again)
    return result.workload == "problem" and bool(again) and all(same)


def certainty(result: StudyResult) -> list[str]:
    """How sure that is: the leader's confirmation, and how much it and the search flatter."""
    said = [WITHOUT_SPREAD] if without_spread(result) else []
    first = next((each for each in result.finalists if each.number == result.leader), None)
    if first is not None:
        said.append(f"Confirmation: {figures(result, first)}, on new {seeds_and_sentences(first)}.")
        if result.confirmation == "racing":
            spent = [len(finalist.confirmations) for finalist in result.finalists]
            trials = listed([finalist.number for finalist in result.finalists])
            said.append(f"Racing gave {listed(spent)} seeds to {trials}: {sum(spent)} runs.")
    if (selection := result.selection) is not None:
        size = "" if selection.bias is None else f" ({selection.bias:.3g})"
        said.append(
            f"It is the best of {selection.among}, so this mean is too good by up to "
            f"{selection.standard_errors:.2f} standard errors{size}, and its interval covers less "
            "than 95 %."
        )
    if (optimism := result.optimism) is not None:
        form = result.form
        difference = bracket(optimism.mean, optimism.low, optimism.high, f"+{form}")
        said.append(
            f"Optimism of the search: its best, trial {optimism.trial}, was found at "
            f"{optimism.found:{form}} and confirmed at {optimism.confirmed:{form}}, a difference "
            f"of {difference}."
        )
    return said


def verification_words(result: StudyResult, verification: Verification) -> str:
    """What came of the study's values on another config, in one sentence."""
    values = "; ".join(figures(result, trial) for trial in verification.trials)
    seen = seeds_and_sentences(*verification.trials)
    return f"On {verification.name}, {seen} of the test: {values}."


def figures(result: StudyResult, trained: Finalist) -> str:
    """A trial on new seeds: on how many of them it passes, and its objectives."""
    if not trained.runs:
        return f"trial {trained.number} failed on every seed"
    form = result.form
    values = [
        f"{objective.label} {bracket(*result.interval(trained, index), form)}"
        for index, objective in enumerate(result.objectives)
    ]
    return f"trial {trained.number} passes on {passes(trained)}, {', '.join(values)}"


def seeds_and_sentences(*trained: Finalist) -> str:
    """Whether not only the seeds are new, but the sentences too."""
    sets = {run.held_out for finalist in trained for run in finalist.confirmations}
    if sets == {None}:
        return "seeds"
    return "seeds (the sentences are the search's)" if "search" in sets else "seeds and sentences"


def passes(finalist: Finalist) -> str:
    """On how many new seeds a finalist passes, with the exact interval of that share.

    `4 of 5 [28 %, 100 %]`, and how many of its runs failed, which may have failed to pass.
    """
    failed = len(finalist.confirmations) - len(finalist.runs)
    count = counted(finalist.passed, len(finalist.runs))
    return f"{count} ({failed} more failed)" if failed else count


def listed(numbers: Sequence[int]) -> str:
    """Numbers in a sentence: `21, 24 and 30`."""
    *before, last = map(str, numbers)
    return f"{', '.join(before)} and {last}" if before else last


def summary(result: StudyResult) -> str:
    """How the trials ended and what they cost, in two sentences."""
    counts = result.counts
    return (
        f"{counts.feasible} of {counts.complete} complete trials pass every criterion; "
        f"{counts.stopped}, {counts.failed} failed. {cost_words(result)}"
    )


def cost_words(result: StudyResult) -> str:
    """Steps and seconds of training: the search's, pruned trials included, and others apart."""
    costs, trained, saved = dict(result.cost), result.steps_trained, result.steps_saved
    search = costs.pop("search", None)
    lasted = f", {duration(search.seconds)} of training" if search else ""
    pruned = f"; pruning saved {saved:,} ({percent(saved / (trained + saved))})" if saved else ""
    said = f"{trained:,} steps trained{lasted}{pruned}."
    apart = "; ".join(f"{part} {cost.words}" for part, cost in costs.items())
    return f"{said} Apart from these: {apart}." if apart else said
