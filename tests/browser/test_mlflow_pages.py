"""MLflow's own pages over what a smoke study and an ablation have just written."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from inside import inside
from playwright.sync_api import Browser, Page, expect
from servers import MlflowServer
from smoke import CONFIGS

from ablations.ablation import main as ablate
from ablations.spectrum import ABLATION
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
        yield Recorded(server.uri, tracking, searched.stdout, ablated.stdout)


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
        expect(page.get_by_role("link", name=f"loss_weights {number}", exact=True)).to_be_visible()
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
    page.get_by_role("link", name="loss_weights 0", exact=True).wait_for()
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
    page.get_by_role("link", name="loss_weights 1", exact=True).click()
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
