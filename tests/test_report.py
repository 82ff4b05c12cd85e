"""Reports: nothing of anybody's words becomes markup, and odd studies are told of all the same."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from inside import inside
from mlflow import MlflowClient
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from scipy import stats

from analysis.report.__main__ import main
from analysis.report.page import (
    Answer,
    Document,
    as_html,
    as_markdown,
    escaped,
    figure,
    inline_code,
    markdown_table,
)
from analysis.report.study import study_document
from analysis.trials import read_study
from studies.storage import open_storage
from vlatent.tracking import TrackingConfig, open_run, recorded_runs

EVIL = "<script>alert(1)</script> | `x` [a](http://b.c) *d* _e_"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
)


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_words_of_others_stay_words() -> None:
    table = markdown_table(("name", "value"), [(EVIL, "a\nb")])
    body = f"## {escaped(EVIL)}\n\n{table}\n\n{inline_code('a ` b_c')}"
    plain = Page(as_html(Document("t", "study", [Answer("q", "x")], "## A")))
    page = Page(as_html(Document(EVIL, "study", [Answer("q", escaped(EVIL))], body)))
    assert page.text.count(EVIL) >= 4  # title twice, answer, heading, cell
    assert "a ` b_c" in page.text
    assert len(page.all("script")) == len(plain.all("script"))
    assert not [link for link in page.all("a") if not str(link["href"]).startswith("#")]
    (cells,) = re.findall(r"^\| (?!name|---).*$", table, re.MULTILINE)
    assert len(re.split(r"(?<!\\)\|", cells)) == 4  # two cells and the ends


def test_pictures_are_inside_and_have_words() -> None:
    document = Document(
        "t", "study", [], f"## See\n\n{figure('seen.png', 'what it shows')}", {"seen.png": PNG}
    )
    (image,) = [each for each in Page(as_html(document)).all("img") if each.get("alt")]
    assert image["alt"] == "what it shows"
    kind, _, encoded = str(image["src"]).partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(encoded) == PNG
    assert "](figures/seen.png)" in as_markdown(document)


def test_every_link_of_the_contents_leads_somewhere() -> None:
    page = Page(as_html(Document("t", "study", [], "## One\n\na\n\n## Two, *three*\n\nb")))
    targets = {each.get("id") for _, each in page.found}
    links = [str(each["href"]) for each in page.all("a")]
    assert len(links) == 2
    assert {link.removeprefix("#") for link in links} <= targets


class Studied:
    """A study in Optuna's and MLflow's records, with trials that never were trained."""

    def __init__(
        self, folder: Path, name: str, directions: Sequence[str] = ("maximize",), best: int = 0
    ) -> None:
        self.folder, self.name = folder, name
        self.storage = open_storage(f"sqlite:///{folder / 'studies.db'}")
        self.study = optuna.create_study(
            study_name=name, storage=self.storage, directions=list(directions)
        )
        self.study.set_user_attr("identity", {"question": "loss_weights"})
        self.study.set_user_attr("question", f"Asked by {name}?")
        labels = [f"objective_{n}" for n in range(len(directions))]
        self.study.set_user_attr("objectives", [{"name": n, "label": n} for n in labels])
        tracking = TrackingConfig(uri=f"sqlite:///{folder / 'mlflow.db'}")
        run = open_run(tracking, name, None, {"kind": "study", "study": name})
        run.metrics({"best/trial": float(best)}, 0)
        run.close("FINISHED")
        self.tracking = tracking

    def add(
        self, state: TrialState, values: list[float] | None, weight: float, **more: Any
    ) -> None:
        self.study.add_trial(
            create_trial(
                state=state,
                values=values,
                params={"priors.wavelet.weight": weight},
                distributions={"priors.wavelet.weight": FloatDistribution(0.001, 1.0, log=True)},
                user_attrs=more,
            )
        )

    def confirm(self, found: dict[int, dict[int, list[float] | None]]) -> None:
        again = optuna.create_study(
            study_name=f"{self.name}/confirmation",
            storage=self.storage,
            directions=self.study.directions,
        )
        space = {"trial": IntDistribution(0, 99), "seed": IntDistribution(0, 99)}
        for trial, seeds in found.items():
            for seed, values in seeds.items():
                again.add_trial(
                    create_trial(
                        state=TrialState.FAIL if values is None else TrialState.COMPLETE,
                        values=values,
                        params={"trial": trial, "seed": seed},
                        distributions=space,
                        user_attrs={"criteria": passing()},
                    )
                )

    def report(self) -> tuple[Page, str, str]:
        """The page, its Markdown, and the screen."""
        done = inside(self.folder, main, "--study", self.name)
        assert done.returncode == 0, done.stderr
        (html,) = (self.folder / "runs" / "reports").rglob("*.html")
        return (
            Page(html.read_text("utf-8")),
            html.with_suffix(".md").read_text("utf-8"),
            done.stdout,
        )


def passing(margin: float = -1.0) -> list[dict[str, Any]]:
    return [{"name": "spectrum", "wanted": "w", "found": "f", "margin": margin}]


def row(markdown: str, *beginning: str) -> list[str]:
    """The cells of the one line of a table that begins with these."""
    head = "| " + " | ".join(beginning) + " |"
    (line,) = [line for line in markdown.splitlines() if line.startswith(head)]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_study_in_which_nothing_worked(tmp_path: Path) -> None:
    studied = Studied(tmp_path, EVIL, best=-1)
    for number in range(3):
        studied.add(TrialState.FAIL, None, 0.1, ordinal=number, reason=f"diverged {EVIL}")
    page, markdown, screen = studied.report()
    assert "never evaluated" in markdown
    assert markdown.startswith("# Asked by \\<script\\>")
    assert "## Verdict" not in markdown
    assert "Nothing was confirmed on new seeds" in " ".join(screen.split())
    assert f"Asked by {EVIL}?" in page.text
    assert page.all("script") == [{}]  # its own
    (run,) = recorded_runs(studied.tracking, {"kind": "study"})
    assert run.status == "FINISHED"  # opened for the report, and closed as it was


def test_confirmations_have_scipys_intervals_and_show_what_failed(tmp_path: Path) -> None:
    studied = Studied(tmp_path, "lower", ("minimize",), best=1)
    for number, value in enumerate((3.0, 2.0, 4.0)):
        studied.add(TrialState.COMPLETE, [value], 0.1 * (number + 1), criteria=passing())
    better, worse = [2.1, 2.3, 2.6], [3.1, 3.0]
    studied.confirm(
        {
            0: {7: [worse[0]], 8: [worse[1]], 9: None},
            1: {seed: [value] for seed, value in zip((7, 8, 9), better, strict=True)},
        }
    )
    _, markdown, screen = studied.report()
    low, high = stats.ttest_1samp(better, 0).confidence_interval(0.95)
    cells = row(markdown, "1", "objective\\_0", "2.000")
    assert cells[3:6] == ["2.100", "2.300", "2.600"]
    low, high = math.floor(1000 * low) / 1000, math.ceil(1000 * high) / 1000  # outwards
    assert cells[6] == f"{sum(better) / 3:.3f} \\[{low:.3f}, {high:.3f}\\]"
    assert row(markdown, "0", "objective\\_0", "3.000")[3:6] == ["3.100", "3.000", "failed"]
    assert "Trial 1 leads after confirmation" in " ".join(screen.split())  # lower is better


def test_other_words_change_no_number_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studied = Studied(tmp_path, "words", best=1)
    for number, value in enumerate((3.0, 4.0, 2.0)):
        studied.add(TrialState.COMPLETE, [value], 0.1 * (number + 1), criteria=passing())
    studied.confirm({0: {7: [3.5], 8: [3.4]}, 1: {7: [3.1], 8: [3.2]}})

    def document() -> Document:
        study = read_study(f"sqlite:///{tmp_path / 'studies.db'}", "words")
        (run,) = recorded_runs(studied.tracking, {"kind": "study"})
        return study_document(study, run, studied.tracking)

    def tables(shown: Document) -> list[str]:
        return [line for line in shown.body.splitlines() if line.startswith("|")]

    before = document()
    assert "Trial 0 leads" in before.answers[1].text  # by its confirmation
    (run,) = recorded_runs(studied.tracking, {"kind": "study"})
    MlflowClient(studied.tracking.uri).set_tag(run.run_id, "mlflow.note.content", "Trial 2\n\nq")
    for name in ("headline", "summary"):
        monkeypatch.setattr(f"analysis.report.study.{name}", lambda result: "q")
    after = document()
    assert after.answers[1].text == "q\n\nq"
    assert after.answers[2:] == before.answers[2:]
    assert tables(after) == tables(before)
    assert "Trial 0 on the search's held-out sentences" in after.body


def test_every_objective_of_a_front_is_confirmed(tmp_path: Path) -> None:
    studied = Studied(tmp_path, "front", ("maximize", "minimize"))
    studied.add(TrialState.COMPLETE, [5.0, 1.0], 0.1, criteria=passing())
    studied.add(TrialState.COMPLETE, [4.0, 0.5], 0.2, criteria=passing(0.5))
    studied.confirm({0: {7: [4.9, 1.1], 8: [5.1, 0.9]}})
    _, markdown, _ = studied.report()
    assert row(markdown, "0", "objective\\_0", "5.000")[3:5] == ["4.900", "5.100"]
    assert row(markdown, "0", "objective\\_1", "1.000")[3:5] == ["1.100", "0.900"]
    assert "an interval for each objective" in markdown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give either --study NAME or --ablation NAME"),
        (["--study", "a", "--ablation", "b"], "give either --study NAME or --ablation NAME"),
        (["--study", "a"], "studies.db"),
        (["--ablation", "a"], "mlflow.db"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = inside(tmp_path, main, *arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_whole_config_is_folded_and_code_is_not() -> None:
    body = "## Config\n\n```yaml\nencoder:\n  hidden: 32\n```\n\n```\ngit checkout 1\n```"
    html = as_html(Document("t", "study", [], body))
    (folded,) = re.findall(r"<details>.*?</details>", html, re.DOTALL)
    assert "hidden: 32" in folded
    assert "git checkout" not in folded


def test_trials_are_listed_by_score_and_reading_is_said_at_once(tmp_path: Path) -> None:
    studied = Studied(tmp_path, "sorted", best=2)
    for number, value in enumerate((1.0, None, 3.0, 2.0)):
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        more = {"reason": "diverged"} if value is None else {"criteria": passing()}
        studied.add(
            state, None if value is None else [value], 0.1 + 0.1 * number, ordinal=number, **more
        )
    _, markdown, screen = studied.report()
    listed = re.findall(r"^\| (\d) \| (?:complete|failed)", markdown, re.MULTILINE)
    assert listed == ["2", "3", "0", "1"]
    assert screen.startswith("Reading study sorted")
