"""One thread; every annotation of the library, shapes too, is checked while tests run; Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import jsonargparse.typing
import pytest
import torch
from beartype import BeartypeConf, FrozenDict, beartype
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# jsonargparse's numbers are plain ones; that they lie in their range is the parser's to check.
PLAIN = {
    "PositiveInt": int,
    "NonNegativeInt": int,
    "PositiveFloat": float | int,
    "NonNegativeFloat": float | int,
    "ClosedUnitInterval": float | int,
}
checked = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # 1 is a float
        is_random=False,  # looking into a list must not draw from Python's generator
        hint_overrides=FrozenDict(
            {getattr(jsonargparse.typing, name): plain for name, plain in PLAIN.items()}
        ),
    )
)

# Left out: `loading` warns at its caller, whom it finds by counting frames, and a checked function
# has more of them; `scenes` knows no arrays, and checking every word makes it ten times as slow.
UNCHECKED = ("vlatent.corpus.loading.", "vlatent.scenes.")


def hooked() -> list[str]:
    """Modules of the library, one by one: a package's name would stand for all that it holds."""
    library = Path(__file__).parents[1] / "vlatent"
    files = [file.relative_to(library.parent).with_suffix("") for file in library.rglob("*.py")]
    modules = [".".join(file.parts).removesuffix(".__init__") for file in files]
    return [
        name
        for name in modules
        if not any(
            left_out.startswith(f"{name}.") or f"{name}.".startswith(left_out)
            for left_out in UNCHECKED
        )
    ]


install_import_hook(hooked(), f"{__name__}.checked")
torch.set_num_threads(1)


# Modules of more than a minute begin first, so that no process is left alone with one at the end.
LONG = ("test_ablations", "test_study", "test_storage", "test_command_line")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONG)


CHROMIUM = "/usr/bin/chromium"  # Debian's; `make test-ui` installs it
QUIET = (
    "--no-sandbox",  # of no use to root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session", autouse=True)
def ends_untried() -> Iterator[None]:
    """Commands in this process begin at once: tests of their own try the ends, for seconds each."""
    with (
        mock.patch("studies.study.check_report"),
        mock.patch("ablations.report.check"),
    ):
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser, for tests/browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """What the browser was shown, to look at: build/screenshots."""
    folder = Path(__file__).parents[1] / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
