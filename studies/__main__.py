"""python -m studies: what studies there are, how one stands, whether its record is sound."""

from __future__ import annotations

import importlib
import pkgutil
import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.text import Text

import studies
from studies.doctor import DEFAULT_SILENCE, Sources, examine, there_is
from studies.job import load_study
from studies.outcome import study_result
from studies.progress import trial_line
from studies.record import (
    MAKING,
    added,
    continued,
    counted,
    feasible,
    is_ours,
    kind_of,
    load_beside,
    running,
)
from studies.replay import replay
from studies.result import StudyResult
from studies.settings import StudyConfig
from studies.spending import Limit, cost
from studies.storage import open_storage
from studies.study import main as run_study
from studies.text import cost_words, headline
from vlatent.command_line import Parser, listed, run
from vlatent.console import console, empty_table
from vlatent.formatting import duration
from vlatent.own_questions import is_path
from vlatent.runtime.addresses import shown
from vlatent.shapes import UserError
from vlatent.tracking import WRITING, TrackingConfig, recorded_runs

FOREIGN = "another program's study"

HELP = """usage: python -m studies COMMAND [--help]

What studies there are, how one stands, and whether its record is sound.

  vlatent study NAME           begin a study, or continue it, by its question:
    loss_weights               which loss weights make the latent image-like?
    learning_rates             which rate, warm-up, decay, batch pass earliest?
    joint                      both together
    pareto                     what do channels in band cost?
    meaning                    what do latents that differ by sentence cost?
    reading                    which decoder reads most of a frozen encoder?
    round_trip                 what does an encoder that learns to be read cost?
    FILE.py:NAME               a Problem or a Question of your own
  vlatent status               all studies of a storage
  vlatent status NAME          progress, best trial, throughput, time left, failures
  vlatent replay NAME TRIAL    train one trial again and compare every number
  vlatent doctor [--fix]       what Optuna and MLflow say differently
"""


def _parser(command: str, description: str) -> Parser:
    parser = Parser(prog=f"vlatent {command}", description=description)
    parser.add_argument(
        "--storage", type=str, default=StudyConfig().storage, help="Optuna's database."
    )
    return parser


def _read(parser: Parser, arguments: Sequence[str]) -> dict[str, Any]:
    """What was given; a file that is not there is not made by looking into it."""
    given = parser.checked(arguments)
    url = given["storage"]
    if not there_is(url):
        raise UserError(
            f"there are no studies in {shown(url)}, as there is no such file: begin one with "
            "vlatent study loss_weights, or name another --storage."
        )
    return given


def list_command(arguments: Sequence[str]) -> int:
    parser = _parser("status", "All studies of a storage. Example: vlatent status")
    given = _read(parser, arguments)
    storage = open_storage(given["storage"])
    headings = ("study", "complete", "pruned", "failed", "passing", "running", "steps", "trained")
    ends, title = ("study", "last trial ended"), f"Studies in {shown(given['storage'])}"
    listed = empty_table(title, *headings, ends[1], left=ends)
    listed.columns[0].overflow = "fold"  # its end says which part of a study it is
    names = sorted(study.study_name for study in storage.get_all_studies())
    names = [name for name in names if not name.endswith(MAKING)]
    if not names:
        console.print(f"There are no studies in {shown(given['storage'])} yet.")
        return 0
    for name in names:
        study = load_study(name, given["storage"])
        trials = counted(study)
        states = [trial.state for trial in trials]
        ended = max((t.datetime_complete for t in trials if t.datetime_complete), default=None)
        spent = cost(study)
        numbers = (
            states.count(TrialState.COMPLETE),
            states.count(TrialState.PRUNED),
            states.count(TrialState.FAIL),
            sum(map(feasible, trials)),
            len(running(study)),
            f"{spent.steps:,}",
            duration(spent.seconds),
        )
        ours = is_ours(study) or kind_of(name)[1] != "trial"
        label = name if ours else f"{name} ({FOREIGN})"
        listed.add_row(label, *map(str, numbers), f"{ended:%Y-%m-%d %H:%M}" if ended else "")
    console.print(listed)
    return 0


def status_command(arguments: Sequence[str]) -> int:
    parser = _parser(
        "status",
        "How a study stands: progress, best, throughput, time left, failures. "
        "Example: vlatent status loss_weights",
    )
    parser.add_argument("name", type=str, help="Name of the study.")
    given = _read(parser, arguments)
    study = load_study(given["name"], given["storage"])
    if not is_ours(study):
        others = len(study.get_trials(deepcopy=False))
        console.print(f"{study.study_name} is {FOREIGN}, with {others} trials: nothing is known.")
        return 0
    trials = counted(study)
    live = running(study)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    budget = study.user_attrs.get("budget")
    console.rule(Text(study.study_name, "bold"))
    of = f" of {budget}" if budget else ""
    console.print(f"{len(trials)}{of} trials done, {len(live)} running, {len(waiting)} waiting.")
    pace = _seconds_a_trial(trials)
    if pace is not None:
        left = "" if budget is None else _time_left(pace, budget - len(trials))
        console.print(f"A trial every {pace:.1f} s lately{left}.")
    for trial in live:
        step = max(trial.intermediate_values, default=0)
        began = trial.datetime_start or datetime.now()
        since = timedelta(seconds=round((datetime.now() - began).total_seconds()))
        worker = trial.user_attrs.get("worker", "an unknown worker")
        console.print(f"trial {trial.number:3d}  running   step {step}, for {since}, by {worker}")
    result = study_result(study, load_beside(study.study_name, open_storage(given["storage"])))
    console.print(cost_words(result))
    if limit := study.user_attrs.get("hours"):
        console.print(Limit(**limit).words(study))
    print_leader(study, result)
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    for trial in failed[-5:]:
        console.print(trial_line(trial, [objective.name for objective in result.objectives]))
    if len(failed) > 5:
        console.print(f"and {len(failed) - 5} failures before these.")
    every = study.get_trials(deepcopy=False)
    gone = continued(every)
    went_on = sum(each.number in gone for each in every if each.state == TrialState.PRUNED)
    if by_others := len(added(study)):
        console.print(f"{by_others} trials that another program added are left out.")
    if went_on:
        console.print(f"{went_on} times a pruned trial was revived.")
    if handed_on := len(gone) - went_on:
        console.print(f"{handed_on} times a trial was begun again after an interruption.")
    return 0


def print_leader(study: optuna.Study, result: StudyResult) -> None:
    """Which trial leads so far, and how it ended."""
    console.print(headline(result))
    if result.leader is not None:
        names = [objective.name for objective in result.objectives]
        console.print(trial_line(study.get_trials(deepcopy=False)[result.leader], names))
    if result.front:
        console.print(f"The front has {len(result.front)} trials.")


def replay_command(arguments: Sequence[str]) -> int:
    parser = _parser(
        "replay",
        "Train one trial again from its record and compare every number; on a CPU they agree to "
        "the last bit. Example: vlatent replay loss_weights 7",
    )
    parser.add_argument("name", type=str, help="Name of the study.")
    parser.add_argument("trial", type=int, help="Number of the trial.")
    parser.add_argument("--out", type=Path | None, help="Folder for its figures; default: none.")
    given = _read(parser, arguments)
    return replay(load_study(given["name"], given["storage"]), given["trial"], given["out"])


def doctor_command(arguments: Sequence[str]) -> int:
    parser = _parser(
        "doctor",
        "Compare Optuna's studies and the ablations' cells with MLflow's runs and this disk: "
        "abandoned trials, runs without a trial, runs that never ended, lost measurements, files "
        "left half-written. Says what it would do; --fix does it. "
        "Example: vlatent doctor --fix",
    )
    parser.add_argument("--name", type=str | None, help="Name of one study; default: all.")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="Folder of the trials.")
    parser.add_argument(
        "--cells", type=str, default="sqlite:///ablations.db", help="The ablations' database."
    )
    parser.add_argument(
        "--silence",
        type=float,
        default=DEFAULT_SILENCE,
        help="Seconds without a heartbeat after which a running trial is abandoned.",
    )
    parser.add_argument(
        "--gone", type=str, action="append", default=[], help="A host of which nothing lives."
    )
    parser.add_argument("--fix", action="store_true", help="Repair what was found.")
    parser.add_class_arguments(TrackingConfig, nested_key="tracking", skip=WRITING)
    given = parser.checked(arguments)
    kept = (given["storage"], given["cells"])
    if not any(map(there_is, kept)) and not recorded_runs(given["tracking"], {}):
        _read(parser, arguments)
    fix = given.pop("fix")
    again = shlex.join(["python", "-m", "studies", "doctor", "--fix", *arguments])
    cured = open_ = 0
    for finding in examine(Sources(**given)):
        console.print(f"{finding.place}: {finding.what}; {finding.remedy}")
        if finding.cure is None:
            open_ += finding.certain
            continue
        cured += 1
        if fix:
            finding.cure()
    if not cured + open_:
        agreed = ": Optuna, MLflow and this disk agree."
        console.print(Text.assemble(("Nothing to do", "green"), agreed))
    elif fix and cured:
        console.print(f"{cured} repaired. Queued trials wait for a worker: run the study again.")
    elif cured:
        console.print(f"{cured} found. Repair: {shown(again)}", soft_wrap=True)
    if open_:
        console.print(f"{open_} found that only you can repair, as said above.")
    return 1 if open_ or (cured and not fix) else 0


def _seconds_a_trial(trials: Sequence[FrozenTrial]) -> float | None:
    """Seconds between the ends of the last trials, up to ten."""
    ends = sorted(trial.datetime_complete for trial in trials if trial.datetime_complete)[-10:]
    if len(ends) < 2:
        return None
    return (ends[-1] - ends[0]).total_seconds() / (len(ends) - 1)


def _time_left(pace: float, trials: int) -> str:
    if trials <= 0:
        return "; the budget is met"
    return f"; {timedelta(seconds=round(pace * trials))} left at that pace"


def run_command(arguments: Sequence[str]) -> int:
    """Run the study of a question, or list the questions."""
    names = [module.name for module in pkgutil.iter_modules(studies.__path__)]
    modules = [importlib.import_module(f"studies.{name}") for name in names if name != "__main__"]
    asked = [module.QUESTION for module in modules if hasattr(module, "QUESTION")]
    questions = {question.name: question.text for question in asked}
    if arguments and is_path(arguments[0]):
        return run_study(arguments[0], arguments[1:])
    name = listed("studies", "study", questions, arguments)
    return 0 if name is None else run_study(name, arguments[1:])


COMMANDS = {
    "run": run_command,
    "list": list_command,
    "status": status_command,
    "replay": replay_command,
    "doctor": doctor_command,
}


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0 if arguments else 2
    if arguments[0] not in COMMANDS:
        raise UserError(f"there is no command {arguments[0]}; choose {', '.join(COMMANDS)}.")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    run(main)
