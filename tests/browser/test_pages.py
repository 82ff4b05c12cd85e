"""MLflow's own pages, and reports, over what a smoke study and an ablation have just written."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from inside import inside
from playwright.sync_api import Browser, Page, expect
from servers import MlflowServer
from smoke import CONFIGS

from ablations.ablation import main as ablate
from ablations.spectrum import ABLATION
from analysis.report.__main__ import main as report
from studies.study import main as study
from vlatent.tracking import TrackingConfig, recorded_runs

PATIENCE = 60_000  # milliseconds: the pages are slow to come on a busy machine
TRIALS = 6
# MLflow opens a panel beside the first page that anybody sees.
NO_ASSISTANT = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""


class MlflowUi(MlflowServer):
    """`mlflow ui` as the last screen of a study says it, but for the port."""

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
        return [*command, "--port", str(self.port), "--backend-store-uri", self.database]


@dataclass(frozen=True)
class Recorded:
    """A study and an ablation, and where MLflow shows them."""

    uri: str
    tracking: TrackingConfig
    folder: Path
    study: str
    ablation: str

    def link(self, screen: str) -> str:
        """The page that a last screen says to open."""
        found = re.search(r"then open http://127.0.0.1:5000(/#/\S+)", screen)
        assert found, screen
        return self.uri + found[1]

    def page_of(self, **tags: str) -> str:
        [run, *_] = recorded_runs(self.tracking, tags)
        return f"{self.uri}/#/experiments/1/runs/{run.run_id}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    short = ("--config", str(CONFIGS / "smoke.yaml"), "--training.steps", "12")
    short += ("--evaluation.count", "4", "--training.batch_size", "2")
    searched = inside(
        folder,
        lambda a: study("loss_weights", a),
        *(*short, "--study.trials", str(TRIALS), "--study.confirm", "0"),
    )
    assert searched.returncode == 0, searched.stderr
    ablated = inside(folder, lambda a: ablate(ABLATION, a), *short, "--ablation.seeds", "1")
    assert ablated.returncode == 0, ablated.stderr
    database = f"sqlite:///{folder / 'mlflow.db'}"
    with MlflowUi(database, folder / "server") as server:
        tracking = TrackingConfig(uri=database)
        yield Recorded(server.uri, tracking, folder, searched.stdout, ablated.stdout)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    context.add_init_script(NO_ASSISTANT)
    yield context.new_page()
    context.close()


def test_the_page_that_a_study_names_shows_its_trials(
    recorded: Recorded, page: Page, screenshots: Path
) -> None:
    """The trials alone, the best first, with their weights beside their scores."""
    page.goto(recorded.link(recorded.study))
    expect(page.get_by_text(f"{TRIALS} matching runs")).to_be_visible()
    for number in range(TRIALS):
        expect(page.get_by_role("link", name=f"trial {number}", exact=True)).to_be_visible()
    headings = page.get_by_role("columnheader")
    for name in ("channels_in_band", "margin/worst", "priors.wavelet.weight"):
        expect(headings.get_by_text(name)).to_be_visible()
    cells = page.locator('[col-id*="objective/score"][role="gridcell"]')
    scores = [float(text.rstrip("…")) for text in cells.all_inner_texts() if text.strip("-")]
    assert len(scores) >= 3
    assert scores == sorted(scores, reverse=True)
    page.screenshot(path=screenshots / "mlflow-trials.png")


def test_trials_are_compared_by_their_weights(
    recorded: Recorded, page: Page, screenshots: Path
) -> None:
    page.goto(recorded.link(recorded.study))
    page.get_by_role("link", name="trial 0", exact=True).wait_for()
    page.get_by_label("Select all runs").click()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name=f"Comparing {TRIALS} Runs")).to_be_visible()
    expect(page.get_by_role("tab", name="Parallel Coordinates Plot")).to_be_visible()
    plot = page.locator(".parcoords")
    expect(plot.get_by_text("priors.decorrelation.weight").first).to_be_visible()
    page.screenshot(path=screenshots / "mlflow-compare.png")


def test_a_study_leads_to_its_trials(recorded: Recorded, page: Page, screenshots: Path) -> None:
    """Its description says what was found; its children are the trials."""
    page.goto(recorded.page_of(kind="study", study="loss_weights"))
    expect(page.get_by_role("heading", name="loss_weights").first).to_be_visible()
    expect(page.get_by_text("Which loss weights make the latent image-like?").first).to_be_visible()
    page.screenshot(path=screenshots / "mlflow-study.png")
    page.get_by_role("link", name="trial 1", exact=True).click()
    expect(page.get_by_role("link", name="loss_weights", exact=True)).to_be_visible()  # its parent


def test_a_trial_shows_its_metrics_and_pictures(
    recorded: Recorded, page: Page, screenshots: Path
) -> None:
    trial = recorded.page_of(kind="trial", study="loss_weights", trial="0")
    page.goto(f"{trial}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("channels_in_band")
    expect(page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_visible()
    page.screenshot(path=screenshots / "mlflow-metrics.png")
    page.goto(f"{trial}/artifacts/figures/overview.png")
    picture = page.locator('img[src^="blob:"], img[src*="get-artifact"]').first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 500
    page.screenshot(path=screenshots / "mlflow-pictures.png")


def test_the_page_that_an_ablation_names_shows_its_arms(
    recorded: Recorded, page: Page, screenshots: Path
) -> None:
    page.goto(recorded.link(recorded.ablation))
    for arm in ("base", "without spectrum", "only spectrum"):
        expect(page.get_by_role("link", name=arm, exact=True)).to_be_visible()
    expect(page.get_by_role("columnheader").get_by_text("criteria held")).to_be_visible()
    page.screenshot(path=screenshots / "mlflow-arms.png")


WIDTHS = {"desktop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def reports(recorded: Recorded) -> dict[str, str]:
    """The addresses of a report of the study and one of the ablation."""
    for kind, name in (("study", "loss_weights"), ("ablation", "spectrum")):
        out = recorded.folder / f"{kind}.html"
        done = inside(recorded.folder, report, f"--{kind}", name, "--out", str(out))
        assert done.returncode == 0, done.stderr
        assert "Attached to run" in done.stdout
    return {kind: (recorded.folder / f"{kind}.html").as_uri() for kind in ("study", "ablation")}


@pytest.mark.parametrize("kind", ["study", "ablation"])
@pytest.mark.parametrize("device", WIDTHS)
def test_a_report_is_one_file_that_everybody_can_read(
    browser: Browser, reports: dict[str, str], screenshots: Path, kind: str, device: str
) -> None:
    """No other request, nothing on the console, nothing wider than the page, no barrier."""
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": WIDTHS[device], "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.goto(reports[kind])
        assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS[device]
        pictures = page.locator("figure img").evaluate_all("all => all.map(i => i.naturalWidth)")
        assert len(pictures) >= 2
        assert min(pictures) > 300
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.screenshot(path=screenshots / f"report-{kind}-{device}-{scheme}.png")
        assert [url for url in asked if not url.startswith("data:")] == [reports[kind]]
        assert said == []
        context.close()


def test_a_report_works_by_keyboard(page: Page, reports: dict[str, str]) -> None:
    """A heading sorts its table, a picture grows and Escape closes it."""
    page.goto(reports["study"])
    table = page.locator("table").filter(has_text="violates")
    head = table.get_by_role("columnheader", name="score")
    head.get_by_role("button").focus()
    column = "rows => rows.map(row => parseFloat(row.cells[2].textContent)).filter(x => !isNaN(x))"
    for direction in ("ascending", "descending"):
        page.keyboard.press("Enter")
        expect(head).to_have_attribute("aria-sort", direction)
        scores = table.locator("tbody tr").evaluate_all(column)
        assert len(scores) >= 3
        assert scores == sorted(scores, reverse=direction == "descending")
    page.locator(".enlarge").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
