"""A small share of `make fuzz`, and that it sees what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest

from vlatent.shapes import UserError

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parent.parent


def test_some_spoilt_configs_and_corpora(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "fuzz.py"), "--cases", "20", "--seed", "7"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 cases, 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (UserError("one\ntwo"), "traceback"),
        (TypeError("functools.partial"), "traceback"),
        (fuzz.Hang(), "hang"),
    ],
)
def test_what_ends_badly_is_seen(
    error: Exception, ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def case(*_: object) -> str:
        raise error

    monkeypatch.setattr(fuzz, "run_case", case)
    found, wrong = fuzz.run_limited(0, 0, tmp_path)
    assert found == ended
    assert wrong
    with pytest.raises(AssertionError, match="more than a line"):
        fuzz.assert_clear(UserError("one\ntwo"))
