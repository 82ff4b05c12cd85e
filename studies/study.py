"""Runs any study: storage, sampler, pruner, baseline as trial 0, budget, resume."""

from __future__ import annotations

import json
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
from jsonargparse.typing import NonNegativeInt, PositiveInt
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.progress import Progress
from sqlalchemy import event

from studies import closing
from vlatent import checkpoints
from vlatent.command_line import Parser
from vlatent.config import Config, build, effective, flatten, override
from vlatent.corpus import load
from vlatent.evaluation import VIOLATED, Evaluation, Verdict, score
from vlatent.screen import console, progress_display
from vlatent.shapes import UserError
from vlatent.tracking import MlflowTracker, find_run, open_run, reopen_run
from vlatent.training import Diverged, Result, placement, train

# Raise it whenever the same trial would get another score: old and new ones cannot be compared.
OBJECTIVE_VERSION = 2
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class TrialFailed(RuntimeError):
    """A trial ended with an error that is its own; the study goes on."""


@dataclass(frozen=True)
class Range:
    """Values that are tried, between low and high, evenly in the logarithm if `log`."""

    low: float
    high: float
    log: bool = True


@dataclass(frozen=True)
class Question:
    """What a study asks.

    Attributes:
        name: Name of the study and of its file.
        text: The question in words.
        space: The config's dotted names that are searched, and their ranges.
    """

    name: str
    text: str
    space: Callable[[Config], dict[str, Range]]


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """How the search is done.

    Attributes:
        name: Name of the study; null takes that of the question.
        trials: Budget of the whole study: running the command again continues up to it.
        storage: Optuna's database.
        sampler: `tpe` (multivariate) or `random`.
        pruner: `median` stops trials whose score falls behind the median of the others at the
            same step; `none` trains all to the end.
        seed: Seed of the sampler.
        space: Narrower ranges by dotted name, [low, high].
        folder: Where the trials' folders and the best config go.
    """

    name: str | None = None
    trials: PositiveInt = 40
    storage: str = "sqlite:///studies.db"
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "none"] = "median"
    seed: NonNegativeInt = 0
    space: dict[str, tuple[float, float]] = field(default_factory=dict)
    folder: Path = Path("runs")


def main(question: Question, arguments: Sequence[str]) -> int:
    """Run a study from the command line, or continue it, and say what it found."""
    parser = Parser(
        prog=f"python -m studies.{question.name}",
        description=f"{question.text} Running the same command again continues the study up to "
        f"its budget. Example: python -m studies.{question.name} --config configs/quick.yaml "
        "--study.trials 40",
    )
    parser.add_argument("--config", action="config", help="A YAML file; the later one wins.")
    parser.add_class_arguments(Config, nested_key=None)
    parser.add_class_arguments(StudyConfig, nested_key="study")
    values = parser.checked(arguments)
    config, settings = build(values), values["study"]
    name = settings.name or question.name
    space = narrowed(question.space(config), settings.space)

    placement(config.training)  # a missing GPU is found before anything is written
    corpus = load(config.data)
    study = open_study(name, settings, config, space, corpus.fingerprint)
    folder = settings.folder / name
    parent = _parent(config, name, question, settings, folder)
    began = time.perf_counter()
    console.print(f"[bold]{question.text}[/bold]")
    console.print(
        f"Study {name}: {settings.trials} trials of {config.training.steps} steps on "
        f"{len(corpus.train)} sentences; {settings.sampler} sampler, {settings.pruner} pruner, "
        f"{settings.storage}"
    )
    status: Literal["FINISHED", "FAILED", "KILLED"] = "FAILED"
    error = None
    try:
        with progress_display() as progress:
            bar = progress.add_task("trials", total=settings.trials, completed=len(counted(study)))
            while len(counted(study)) < settings.trials:
                # A sampler that depends on the finished trials alone: an interrupted study goes
                # on as if it had not been interrupted.
                study.sampler = sampler(settings, len(counted(study)))
                study.optimize(
                    lambda trial: objective(
                        trial, config, space, name, folder, parent.run_id, progress
                    ),
                    n_trials=1,
                    catch=(TrialFailed,),
                )
                progress.update(bar, completed=len(counted(study)))
                progress.console.print(closing.trial_line(study.get_trials(deepcopy=False)[-1]))
                if all_failed(study):
                    raise UserError(_why_all_failed(study))
        closing.close(study, question, config, space, folder, parent, time.perf_counter() - began)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        console.print(
            f"Stopped after {len(counted(study))} of {settings.trials} trials; the same command "
            "goes on from there."
        )
        raise
    except BaseException:
        error = traceback.format_exc()
        raise
    finally:
        parent.close(status, error)
    return 0


def narrowed(
    space: Mapping[str, Range], wanted: Mapping[str, tuple[float, float]]
) -> dict[str, Range]:
    """The ranges of the question, narrowed as the config wants."""
    ranges = dict(space)
    for name, (low, high) in wanted.items():
        if name not in ranges:
            raise UserError(f"study.space has no {name}; this study searches {', '.join(ranges)}.")
        if not (0 < low < high):
            raise UserError(
                f"study.space.{name} must be [low, high] with 0 < low < high, "
                f"but got [{low}, {high}]."
            )
        ranges[name] = Range(low, high, ranges[name].log)
    return ranges


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """Optuna's database, in which no two processes can take the same trial.

    SQLite begins a transaction only at the first write, so two workers could both read a waiting
    trial as free; BEGIN IMMEDIATE takes the lock before reading. Every process must build its
    storage here: the listener does not survive pickling.
    """
    sqlite = url.startswith("sqlite")
    arguments = {"timeout": 60, "isolation_level": None} if sqlite else {}
    try:
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": arguments})
    except Exception as error:  # SQLAlchemy, drivers and the system each raise their own
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(
            f"study.storage {url} cannot be used ({reason}); sqlite:///studies.db is a file here."
        ) from None
    if sqlite:
        event.listen(
            storage.engine,
            "begin",
            lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"),
        )
    return storage


def open_study(
    name: str,
    settings: StudyConfig,
    config: Config,
    space: Mapping[str, Range],
    fingerprint: str,
) -> optuna.Study:
    """Create the study with its baseline waiting as trial 0, or continue the one of this name.

    Raises:
        UserError: A study of this name asks something else; says what changed.
    """
    values = flatten(config)
    start = {key: float(str(values[key])) for key in space}
    outside = [key for key, r in space.items() if not r.low <= start[key] <= r.high]
    if outside:
        raise UserError(
            f"study.space leaves out the starting value of {', '.join(outside)}, which trial 0 is "
            "to have: widen the range, or set the key itself to a value inside."
        )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=name,
        storage=open_storage(settings.storage),
        direction="maximize",
        pruner=pruner(settings, config),
        load_if_exists=True,
    )
    identity = {  # the corpus is known by its content, wherever its files lie
        name: value
        for name, value in effective(config).items()
        if name not in space and not name.startswith("data.")
    }
    identity |= {f"space.{name}": asdict(value) for name, value in space.items()}
    identity |= {"objective version": OBJECTIVE_VERSION, "corpus": fingerprint}
    known = study.user_attrs.get("identity")
    if known is None:
        study.set_user_attr("identity", identity)
        study.enqueue_trial(start, user_attrs={"baseline": True})
    elif known != json.loads(json.dumps(identity)):
        changed = [key for key in known | identity if known.get(key) != identity.get(key)]
        was = ", ".join(f"{k} was {known.get(k)}, is {identity.get(k)}" for k in changed[:4])
        raise UserError(
            f"study {name} in {settings.storage} was begun with other settings ({was}); give the "
            f"new one its own name, --study.name {name}-2."
        )
    return study


def sampler(settings: StudyConfig, finished: int) -> optuna.samplers.BaseSampler:
    """The sampler of the next trial, every argument named so that it stays what was recorded."""
    seed = int(np.random.SeedSequence((settings.seed, finished)).generate_state(1)[0])
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=10, multivariate=True, group=False, constant_liar=True, seed=seed
        )


def pruner(settings: StudyConfig, config: Config) -> optuna.pruners.BasePruner:
    """The pruner; no trial is judged in its first 40 %."""
    if settings.pruner == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(
        n_startup_trials=4, n_warmup_steps=int(0.4 * config.training.steps), n_min_trials=3
    )


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that use up the budget: all that ended but by an interruption."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=FINISHED)
        if not trial.user_attrs.get("interrupted")
    ]


def all_failed(study: optuna.Study) -> bool:
    """Whether the first five trials failed, all of them: then the sixth will too."""
    trials = counted(study)
    return len(trials) >= 5 and all(trial.state == TrialState.FAIL for trial in trials)


def objective(
    trial: Trial,
    config: Config,
    space: Mapping[str, Range],
    name: str,
    folder: Path,
    parent: str | None,
    progress: Progress,
) -> float:
    """Train one trial; its score on held-out sentences.

    Every criterion becomes a constraint of Optuna, in every trial, as its last act.
    """
    values = {key: trial.suggest_float(key, r.low, r.high, log=r.log) for key, r in space.items()}
    place = folder / f"trial-{trial.number:04d}"
    shutil.rmtree(place, ignore_errors=True)  # of a study of this name that was deleted
    tracker = open_run(
        config.tracking,
        f"{name} {trial.number}",
        parent,
        {"kind": "trial", "study": name, "trial": trial.number},
        folder=folder,
        patient=True,
    )
    trial.set_user_attr("run_id", tracker.run_id)
    last: tuple[int, Evaluation, Verdict] | None = None

    def report(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        nonlocal last
        last = step, evaluation, verdict
        trial.report(score(evaluation, verdict), step)
        if step < config.training.steps and trial.should_prune():
            raise optuna.TrialPruned(f"behind the others at step {step}")

    result: Result | None = None
    began = time.perf_counter()
    try:
        result = train(
            override(config, values | {"training.folder": place, "evaluation.probed": 0}),
            tracker,
            report,
            progress,
        )
        tracker.close("FINISHED")
        return result.score
    except optuna.TrialPruned as error:
        tracker.tags({"pruned": str(error)})
        tracker.close("KILLED")
        raise
    except (KeyboardInterrupt, UserError):  # says nothing about the trial: it is not counted
        trial.set_user_attr("interrupted", True)
        tracker.close("KILLED")
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, Diverged) else repr(error)
        trial.set_user_attr("reason", reason)
        tracker.close("FAILED", traceback.format_exc())
        raise TrialFailed(reason) from error
    finally:
        (place / checkpoints.NAME).unlink(missing_ok=True)
        trial.set_user_attr("seconds", time.perf_counter() - began)
        if last is not None:
            _remember(trial, *last, result)


def _remember(
    trial: Trial, step: int, evaluation: Evaluation, verdict: Verdict, result: Result | None
) -> None:
    """What the closing screen tells about a trial, and its constraints."""
    trial.set_user_attr("steps", step)
    trial.set_user_attr("evaluation", asdict(evaluation))
    trial.set_user_attr("criteria", [asdict(criterion) for criterion in verdict.criteria])
    trial.set_user_attr("steps_to_pass", result.steps_to_pass if result else None)
    for criterion in verdict.criteria:
        trial.set_constraint(criterion.name, min(criterion.margin, VIOLATED))


def _parent(
    config: Config, name: str, question: Question, settings: StudyConfig, folder: Path
) -> MlflowTracker:
    tags = {"kind": "study", "study": name}
    known = find_run(config.tracking, tags)
    if known is not None:
        return reopen_run(config.tracking, known, folder=folder)
    parent = open_run(config.tracking, name, tags=tags, folder=folder)
    parent.params({f"study.{key}": value for key, value in asdict(settings).items()})
    parent.params(flatten(config))
    parent.note(question.text)
    return parent


def _why_all_failed(study: optuna.Study) -> str:
    reasons = {str(trial.user_attrs.get("reason")) for trial in counted(study)}
    return f"all {len(counted(study))} trials failed, so the study stops: {'; '.join(reasons)}"
