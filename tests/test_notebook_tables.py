"""What a notebook shows of results: tables from records alone, and one output for a whole log."""

from __future__ import annotations

import math
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from ablations.result import AblationResult, ArmResult
from studies.result import Confirmation, Counts, Finalist, Objective, StudyResult, TrialResult
from vlatent.console import PLAIN, PlainConsole, empty_table
from vlatent.effects import Effect
from vlatent.evaluation import Criterion, Evaluation, Verdict
from vlatent.evaluation.latents import latent_statistics
from vlatent.notebook import LINES, CellLog
from vlatent.result import Result
from vlatent.tables import as_fold, as_html

BAD = "<script>a & b</script>"


class Page(HTMLParser):
    """The cells of every row, and the names of all elements; elements must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.elements: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        assert not any(name.startswith("on") for name, _ in attributes)
        assert "color" not in str(attributes)  # it would be unreadable in one of the themes
        self.elements.add(tag)
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    @property
    def facts(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows if len(row) == 2}


def test_html_escapes_everything() -> None:
    page = Page(as_html(BAD, (BAD, "b"), [(BAD, BAD)], as_fold(BAD, "<p>in it</p>")))
    assert page.rows == [[BAD, "b"], [BAD, BAD]]
    assert page.elements == {"p", "strong", "table", "tr", "th", "td", "details", "summary"}


LINES_OF_VERDICT = (
    Criterion("variance", f"0.5 to 2 {BAD}", "1.1", -0.4),
    Criterion("kurtosis", "> 3", "2.5", 0.17),
)


def test_a_result_shows_its_verdict_and_what_to_run_next(tmp_path: Path) -> None:
    last = Evaluation(30, {"channels_in_band": 4.0}, {"spectrum": [2.0] * 6})
    folder = tmp_path / "a b"
    result = Result([last], Verdict(LINES_OF_VERDICT), 4.5678, None, folder, 12.3)
    page = Page(result._repr_html_())
    assert page.facts["score"].startswith("4.568 ")
    assert page.facts["verdict"] == "FAIL: violates kurtosis"
    assert page.facts["channels in band"] == "4 of 6"
    assert page.facts["time"] == "12.3 s"
    assert page.facts["checkpoint and figures"] == str(folder)
    assert page.facts["judge it again"] == f"vlatent evaluate --checkpoint '{folder}'"
    study = f"vlatent study loss_weights --config '{folder / 'config.yaml'}'"
    assert page.facts["search better weights"] == study
    assert ["kurtosis", "FAIL", "> 3", "2.5", "+0.17"] in page.rows
    assert "script" not in page.elements
    passed = Result([last], Verdict(LINES_OF_VERDICT[:1]), 4.5, 20, folder, 1.0)
    assert Page(passed._repr_html_()).facts["verdict"] == "PASS from step 20 on"


def test_a_problems_result_has_neither_verdict_nor_folder() -> None:
    result = Result([Evaluation(20, {"error": 0.1}, {})], Verdict(()), 0.1, None, Path(), 1.0)
    assert Page(result._repr_html_()).facts.keys() == {"score", "time"}


def study(**changes: Any) -> StudyResult:
    """A study of two trials, of which trial 1 leads after three confirmations."""
    trials = [
        TrialResult(number, {"weights.a": 2.5}, (value,), True, (), None, None)
        for number, value in ((1, 6.9), (0, 6.1))
    ]
    runs = tuple(
        Confirmation(1, seed, (value,), value > 6.65, None, None)
        for seed, value in enumerate((6.7, 6.8, 6.6), 1)
    )
    values: dict[str, Any] = {
        "name": "my study",
        "question": "loss_weights",
        "text": f"Which? {BAD}",
        "objectives": (Objective("score", "score", True),),
        "budget": 3,
        "counts": Counts(2, 1, 0, 2),
        "steps_trained": 10,
        "steps_saved": 0,
        "ranking": tuple(trials),
        "front": (),
        "finalists": (Finalist(1, (6.9,), runs),),
        "leader": 1,
        "basis": "confirmed",
        "undistinguished": (),
        "optimism": None,
        "evaluation": None,
    }
    return StudyResult(**(values | changes))


def test_a_study_shows_its_leader_with_an_interval() -> None:
    page = Page(study()._repr_html_())
    assert "script" not in page.elements
    facts = page.facts
    # Mean 6.7, deviation 0.1, and 0.975 of t with two degrees of freedom is 4.3027.
    assert facts["on confirmation seeds"].endswith("score 6.700 [6.451, 6.949]")
    assert facts["on confirmation seeds"].startswith("passes on 2 of 3 seeds")
    assert math.isclose(4.3027 * 0.1 / 3**0.5, 6.7 - 6.4516, abs_tol=1e-4)
    assert facts["trials"] == "2 complete (2 pass), 1 pruned, 0 failed"
    assert facts["leader"].startswith("trial 1, ")
    assert facts["weights.a"] == "2.5"
    assert facts["what each prior buys"] == "vlatent ablate suite --ablation.from_study 'my study'"
    assert "on test seeds" not in facts
    tested = study(tested=study().finalists)
    order = list(Page(tested._repr_html_()).facts)
    assert order.index("on test seeds") < order.index("on confirmation seeds")


def test_a_study_of_a_problem_goes_on_with_its_own_ablation() -> None:
    page = Page(study(question="my file.py:Q", workload="problem")._repr_html_())
    command = "vlatent ablate 'my file.py:Q' --ablation.from_study 'my study'"
    assert page.facts["what each weight buys"] == command
    of_encoder = Page(study(question="my file.py:Q")._repr_html_())
    assert "vlatent ablate suite " in of_encoder.facts["what each prior buys"]
    local = Page(study(question="local", workload="problem")._repr_html_())
    assert not [name for name in local.facts if name.startswith("what each")]


def test_a_study_without_a_passing_trial_names_what_is_violated() -> None:
    lines = LINES_OF_VERDICT
    nearest = TrialResult(1, {}, (2.0,), False, lines, None, None)
    found = study(ranking=(nearest,), finalists=(), basis="nearest")
    facts = Page(found._repr_html_()).facts
    assert facts["in the search"] == "violates kurtosis; score 2.000"
    assert "what each prior buys" not in facts
    empty = study(ranking=(), finalists=(), leader=None, basis="none", counts=Counts(0, 0, 3, 0))
    assert Page(empty._repr_html_()).facts.keys() == {"trials", "all of it on one page"}


def test_an_ablation_shows_effects_with_intervals() -> None:
    effect = Effect(-1.5, -2.0, -1.0, -3.0, 0.01, 0.02, 0.0, 8)
    arms = (
        ArmResult("base", "base", "base", {}, (), 8, 8, {}, {"alpha": 2.0}, {}),
        ArmResult(
            *("without a", "left out", "left out", {}, ("a",), 8, 0, {}),
            {"alpha": 0.5},
            {"alpha": effect},
        ),
    )
    result = AblationResult(
        name="suite",
        script="suite",
        question="What?",
        base="0",
        steps=1,
        batch_size=1,
        seeds=tuple(range(8)),
        statistics=("alpha",),
        criteria=(),
        arms=arms,
        answers=(),
        missing=(),
    )
    rows = Page(result._repr_html_()).rows
    assert rows[1][2] == "2"
    star = " *" if effect.established else ""
    assert rows[2] == ["without a", "0 of 8 [0 %, 37 %]", f"-1.5 [-2, -1]{star}"]


def test_statistics_of_latents_are_a_table() -> None:
    found = latent_statistics([torch.randn(12, 16, 16, 6)], (12, 16, 16, 6))
    rows = Page(found._repr_html_()).rows
    assert [row[0] for row in rows[1:]] == [row.statistic.label for row in found.rows]
    assert {row[3] for row in rows[1:]} == {"inside", "outside", ""}
    for told, row in zip(rows[1:], found.rows, strict=True):
        form = row.statistic.form
        assert told[1].startswith(f"{row.value:{form}}".replace("%", " %"))
        if row.photographs and math.isfinite(row.photographs[1]):
            assert told[2].endswith(f"{row.photographs[1]:{form}}".replace("%", " %"))


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A kernel of which only the number of the running cell and what it displays are known."""
    shell = SimpleNamespace(execution_count=1, outputs=[])

    def display(shown: dict[str, str], raw: bool, display_id: bool) -> SimpleNamespace:
        assert raw
        assert display_id
        shell.outputs.append(shown)
        place = len(shell.outputs) - 1

        def update(newer: dict[str, str], raw: bool) -> None:
            shell.outputs[place] = newer

        return SimpleNamespace(update=update)

    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = lambda: shell  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shell


def test_a_cells_log_is_one_output_that_ends_with_its_latest_line(
    cell: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    log = PlainConsole(file=CellLog(), force_jupyter=False, force_terminal=False, **PLAIN)
    table = empty_table("a", "x")
    table.add_row("1")
    log.print("first", style="bold red")
    log.print(table)
    log.print(f"trial 2 {BAD}", style="green")
    [output] = cell.outputs
    assert "\x1b" not in str(output)
    assert output["text/plain"].split()[:2] == ["first", "a"]
    page = output["text/html"]
    assert Page(page).elements == {"details", "summary", "pre"}
    assert page.index("trial 2") < page.index("</summary>") < page.index("first")
    log.print(f"{'word ' * 30}")
    assert "<summary>word word" in cell.outputs[0]["text/html"]
    assert "word …</summary>" in cell.outputs[0]["text/html"]
    cell.execution_count = 2
    log.print("another cell")
    assert [output["text/plain"] for output in cell.outputs[1:]] == ["another cell"]


def test_a_cells_log_has_an_end(cell: SimpleNamespace) -> None:
    log = CellLog()
    for number in range(LINES + 10):
        assert log.write(f"line {number}\n") == len(f"line {number}\n")
    log.write("\n")
    [output] = cell.outputs
    lines = output["text/plain"].splitlines()
    assert (len(lines), lines[0], lines[-1]) == (LINES, "line 10", f"line {LINES + 9}")
