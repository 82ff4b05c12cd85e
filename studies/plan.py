"""What a study is about to do, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

from studies.job import Job, load_study
from studies.screen import first_of_screening
from studies.tasks import SEEDS, Search, Test, again
from vlatent.config import Config
from vlatent.corpus import Corpus, Part
from vlatent.formatting import digits
from vlatent.preparation import corpus_lines, not_divided
from vlatent.runtime.addresses import shown


def plan_lines(job: Job, corpus: Corpus | None) -> Iterator[str]:
    """Sentences if there are any, trials, sets of held-out sentences, and what is fixed already."""
    if corpus is not None:
        assert isinstance(job.config, Config)
        yield corpus_lines(job.config, corpus)
    yield _plan(job, corpus)
    difference = job.verified and job.verified.difference
    yield from filter(None, (_sets(job, corpus), _fixed(job), difference))


def _plan(job: Job, corpus: Corpus | None) -> str:
    settings = job.settings
    places = "" if settings.workers == 1 else f"; {settings.workers} workers ({settings.launcher})"
    runs = settings.confirm * settings.confirmation_seeds
    seeds = (
        f"{settings.confirmation_seeds} new seeds"
        if settings.confirmation == "equal"
        else f"new seeds, racing for {runs} runs"
    )
    confirmed = f"; the best {settings.confirm} again on {seeds}" if settings.confirm else ""
    tested = f", the first of them on {settings.test} others" if confirmed and settings.test else ""
    verify = (
        f"; verified on {settings.verify}, {settings.verify_seeds} seeds" if job.verified else ""
    )
    first = _screened_first(job)
    screened = f" after the best {first} of a screening" if first else ""
    read = "" if corpus is None else f" on {len(corpus.train)} sentences"
    hours = "" if settings.hours is None else f" in at most {digits(settings.hours)} h"
    return (
        f"Study {job.name}: {Search(job).budget} trials of {job.config.training.steps} steps{hours}"
        f"{read}; {settings.sampler} sampler{screened}, {settings.pruner} pruner, "
        f"{shown(settings.storage)}{places}{confirmed}{tested}{verify}"
    )


def _screened_first(job: Job) -> int:
    if not isinstance(job.config, Config):
        return 0
    return first_of_screening(job.config, job.space, job.settings)


def _fixed(job: Job) -> str | None:
    """That the test has its seeds already, if another number of them is asked for."""
    test = next((task for task in again(job) if isinstance(task, Test)), None)
    seeds = test and load_study(test.study_name, job.settings.storage).user_attrs.get(SEEDS)
    if not seeds or len(seeds) == job.settings.test:
        return None
    return (
        f"The test set is judged on {len(seeds)} seeds, as when it was first looked at: "
        f"--study.test {job.settings.test} changes nothing."
    )


def _sets(job: Job, corpus: Corpus | None) -> str | None:
    """On how many held-out sentences each part of the study is judged, or why on the same."""
    if not job.kinds or corpus is None:
        return None
    assert isinstance(job.config, Config)
    lacking = not_divided(job.config, corpus)
    if lacking is not None:
        return (
            f"Confirmation and test have no sentences of their own and judge on the search's, on "
            f"new seeds: {lacking}."
        )
    judged, retrieved = [], []
    for part in get_args(Part):
        own = replace(job.config.evaluation, held_out=part).sentences_of(corpus)
        fixed = len(corpus.fixed) if part == "search" else 0
        judged.append(f"{part} {fixed + len(own.judged or ())}")
        counts = [job.config.evaluation.retrieved, *map(len, own.splits.values())]
        retrieved.append(f"{part} {min(counts)}")
    asked = f"; retrieved of each split: {', '.join(retrieved)}" if own.splits else ""
    return (
        f"Held-out sentences that are judged: {', '.join(judged)}{asked}; none is in two of these."
    )
