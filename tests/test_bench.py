"""The step's benchmark: operations counted by hand, its tables, a comparison, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from inside import inside

from benchmarks import measures, step
from vlatent.corpus import TokenBatch


def test_operations_are_those_counted_by_hand() -> None:
    config = measures.config_of("smoke", **{"encoder.smoothing": False, "training.device": "cpu"})
    batch, tokens, hidden, heads, points = 3, 40, 32, 2, 16 * 16
    ids = torch.ones(batch, tokens, dtype=torch.long)
    counts = measures.Step(config, 100).operations(TokenBatch(ids, ids.bool()))
    words, spots = batch * tokens, batch * points
    text = 2 * words * hidden * (4 * hidden + 2 * 64) + 4 * words * tokens * hidden
    grid = 2 * points * (16 * 16 * 9 + 16 * hidden)
    tokens_of_a_block = 2 * words * 2 * hidden**2 + 2 * 2 * words * hidden**2  # then folded
    blocks = 2 * (tokens_of_a_block + 2 * 2 * spots * heads * tokens * hidden)
    inner = 2 * 2 * spots * hidden * 2 * 64
    paint = 2 * spots * hidden * 6
    assert counts["forward"] == text + grid + blocks + inner + paint
    # Every product has two gradients; the seeds' convolutions and the text's first have theirs too.
    assert counts["backward"] == pytest.approx(2 * counts["forward"], rel=0.02)


def test_the_peak_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "seconds_of", lambda work, device: 0.5)
    rate = measures.peak(torch.float32, torch.device("cpu"), seconds=0.01)
    assert rate == 2 * 2048**3 / 0.5


def test_parts_and_comparison_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measures, "peak", lambda dtype, device: 1e11)
    rows = measures.parts_of_a_step("smoke", "fp32", 2)
    whole = next(row for row in rows if row["name"] == "all")
    assert whole["share"] == 1
    assert float(whole["of peak"]) == pytest.approx(
        float(whole["GFLOP"]) * 1e9 / (float(whole["ms"]) / 1e3) / 1e11, rel=0.5
    )
    old = tmp_path / "old.json"
    slower = [row | {"ms": 2 * float(row["ms"])} for row in rows if "ms" in row]
    old.write_text(json.dumps({"rows": slower}))
    step.show(rows, step.earlier(old))
    printed = capsys.readouterr().out
    assert "backward" in printed
    assert "2.00" in printed


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")
    for arguments, words in (
        (("--compare", "no.json"), "is no file that --json wrote"),
        (("--sizes", "huge"), "there is no huge.yaml in configs"),
        (("--repeats", "0"), "repeats must be above 0"),
    ):
        done = inside(tmp_path, step.main, *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
