"""The step's benchmark: operations counted by hand, its tables, a comparison, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from inside import inside
from smoke import CONFIGS

from benchmarks import full, gpu, measures, step
from benchmarks.stacked import Stack
from vlatent.corpus import TokenBatch, load, stream
from vlatent.encoder import Encoder
from vlatent.objective import loss
from vlatent.priors import Priors


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
    monkeypatch.setattr(measures, "seconds_of", lambda work: 0.5)
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
        (("--sizes", "huge"), "there is no config huge"),
        (("--repeats", "0"), "repeats must be above 0"),
    ):
        done = inside(tmp_path, step.main, *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_stacked_runs_are_the_runs_one_by_one() -> None:
    """Three runs with their own loss weights and rates, against torch's AdamW and clipping."""
    config = measures.config_of("smoke", **{"encoder.dropout": 0.0, "training.device": "cpu"})
    corpus = load(config.data)
    torch.manual_seed(0)
    rates, weights = torch.tensor([1e-3, 4e-3, 4e-4]), torch.rand(3, 7)
    stack = Stack(config, corpus.vocabulary_size, rates, weights)
    runs = []
    for row, rate in enumerate(rates.tolist()):
        model = Encoder(config.encoder, corpus.vocabulary_size)
        model.load_state_dict(
            {name: value[row].detach().clone() for name, value in stack.parameters.items()}
        )
        named = zip(config.priors, weights[row].tolist(), strict=True)
        priors = Priors(**{name: replace(prior, weight=weight) for (name, prior), weight in named})
        trained = model.parameters()
        adamw = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
        runs.append((model, priors, adamw))
    batches = stream(corpus.train, 4, 0)
    for _ in range(10):
        batch, expected = next(batches), []
        for model, priors, adamw in runs:
            total = loss(priors, model(batch.ids, batch.mask)).total
            adamw.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip)
            adamw.step()
            expected.append(total.item())
        torch.testing.assert_close(stack.step(batch), torch.tensor(expected), rtol=1e-4, atol=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("benchmark", [gpu, full])
def test_a_gpu_is_asked_for(tmp_path: Path, benchmark: ModuleType) -> None:
    done = inside(tmp_path, benchmark.main)
    assert done.returncode == 2
    needs = f"error: python -m {benchmark.__name__} needs a GPU, but torch sees none here"
    assert done.stderr.startswith(needs)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.processes
def test_the_documented_run_is_shortened_to_what_fits(tmp_path: Path) -> None:
    """`make gpu` to its end, with the smoke config in the place of the documented one."""
    flags = f"--config configs/smoke.yaml --training.device cpu --json {tmp_path}/it"
    command = ["make", "-o", ".venv/.installed", "gpu", f"FLAGS={flags}"]
    command.append(f"BIN={Path(sys.executable).parent}")
    done = subprocess.run(command, cwd=CONFIGS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "it").read_text())
    assert found["tests"]["passed"]
    assert [run["name"] for run in found["runs"]] == ["the config", "lasting.yaml"]
    for run in found["runs"]:
        assert run["steps"] == 30  # all of them fit
        assert run["verdict"] == "FAIL"  # so few steps reach nothing
        assert run["steps/s"] > 0
        assert run["GB at most"] > 0.1
        assert any(criterion["margin"] > 0 for criterion in run["criteria"])
        assert run["verdict"] in done.stdout


def test_a_shortened_run_keeps_its_shape(tmp_path: Path) -> None:
    """Warm-up and blur stay what they are where they fit, else a tenth."""
    config = measures.config_of("full")
    short = full.shortened(config, 3000, 20, tmp_path)
    assert (short.training.steps, short.evaluation.count) == (3000, 20)
    assert (short.optimizer.warmup_steps, short.training.blur_steps) == (300, 300)
    assert short.priors == config.priors
    long = full.shortened(config, 60_000, 200, tmp_path)
    assert (long.training.steps, long.evaluation.count) == (50_000, 100)
    assert (long.optimizer.warmup_steps, long.training.blur_steps) == (1000, 1000)
