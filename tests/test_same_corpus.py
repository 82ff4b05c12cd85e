"""A checkpoint of another corpus is refused, what changed is named, and the way out works."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from inside import inside
from smoke import smoke

from analysis.probes.encoding import open_checkpoint
from vlatent import checkpoints, recording
from vlatent.__main__ import main
from vlatent.config import from_yaml, override
from vlatent.corpus import corpus_fingerprint, load
from vlatent.fingerprints import corpus_digests
from vlatent.preparation import corpus_of
from vlatent.result import Result
from vlatent.run_record import FILE, RunRecord
from vlatent.scenes import default_corpus
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.training import train

TRAINING, HELD_OUT = Path("training.jsonl"), Path("held_out.jsonl")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that reads variants, and its sentences."""
    folder = tmp_path_factory.mktemp("trained")
    lines = [json.dumps(example.record()) for example in default_corpus(80, 1)[0]]
    changes: dict[str, Any] = {
        "data__train": TRAINING,
        "data__validation": HELD_OUT,
        "data__cache": folder / "cache",
        "terms__contrast__weight": 1.0,
        "evaluation__retrieved": 10,
        "evaluation__probed": 0,
        "training__folder": Path("run"),
        "training__steps": 4,
        "training__batch_size": 4,
        "tracking__figures": False,
        "tracking__uri": "sqlite:///mlflow.db",
    }
    with contextlib.chdir(folder):
        TRAINING.write_text("\n".join(lines[:50]), encoding="utf-8")
        HELD_OUT.write_text("\n".join(lines[50:]), encoding="utf-8")
        train(smoke(folder, **changes), MemoryTracker())
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a copy of that run, in the folder in which a test is."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for drawn in ("run_figures", "meaning_figures"):
        monkeypatch.setattr(recording, drawn, lambda *_: {})
    return Path("run")


def evaluate(*flags: str) -> subprocess.CompletedProcess[str]:
    return inside(Path(), main, "evaluate", "--checkpoint", "run", "--out", "again", *flags)


def resume(*flags: str) -> subprocess.CompletedProcess[str]:
    own = ("--config", "run/config.yaml", "--training.resume", "run", "--training.steps", "6")
    corpus_of.cache_clear()  # as in a process of its own
    return inside(Path(), main, "train", *own, *flags)


def resumed(run: Path, tracker: MemoryTracker | None = None) -> Result:
    """The same without the command, which takes seconds to begin its record."""
    corpus_of.cache_clear()
    config = from_yaml((run / "config.yaml").read_text(encoding="utf-8"))
    changes = {"training.resume": run, "training.steps": 6}
    return train(override(config, changes), tracker or MemoryTracker())


def spoil(file: Path, key: str) -> None:
    """Change a line's sentence, or its first variant or kind."""
    first, *others = file.read_text(encoding="utf-8").splitlines()
    record = json.loads(first)
    if key == "original":
        record[key] += " Indeed." * 3  # often enough for tokens of its own
    elif key == "counterfactual_kinds":
        record[key][0] = "swap" if record[key][0] != "swap" else "color"
    else:
        record[key][0] += " Indeed."
    file.write_text("\n".join([json.dumps(record), *others]), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "key", "parts"),
    [
        (TRAINING, "original", "training sentences, tokenizer"),
        (TRAINING, "paraphrases", "training paraphrases"),
        (TRAINING, "counterfactual_kinds", "kinds of training counterfactuals"),
        (HELD_OUT, "original", "held-out sentences, splits"),
        (HELD_OUT, "counterfactuals", "held-out counterfactuals"),
    ],
)
def test_another_corpus_is_refused_and_what_changed_is_named(
    run: Path, file: Path, key: str, parts: str
) -> None:
    kept = (run / checkpoints.NAME).read_bytes()
    spoil(file, key)
    judged, continued = evaluate(), resume()
    said = f"error: checkpoint run belongs to another corpus: {parts} changed; restore "
    for refused in (judged, continued):
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"{said}training.jsonl and held_out.jsonl"), refused.stderr
        assert refused.stderr.count("\n") == 1
    assert ("--validation FILE" in judged.stderr) == ("tokenizer" not in parts)
    assert "another --training.folder without --training.resume" in continued.stderr
    assert (run / checkpoints.NAME).read_bytes() == kept
    assert not Path("mlflow.db").exists()
    with pytest.raises(UserError, match=f"another corpus: {parts} changed"):
        resumed(run)


def test_every_way_out_works(run: Path) -> None:
    before = HELD_OUT.read_bytes()
    spoil(HELD_OUT, "original")
    others = evaluate("--validation", str(HELD_OUT))
    assert others.returncode == 0, others.stderr
    HELD_OUT.write_bytes(before)
    restored = evaluate()
    assert restored.returncode == 0, restored.stderr
    refused = resume("--data.max_length", "150")
    assert refused.returncode == 2
    assert "data.max_length changed; give its own --data.max_length 200, or" in refused.stderr
    assert resumed(run).history[-1].step == 6


def test_with_another_tokenizer_other_sentences_are_not_judged_either(run: Path) -> None:
    spoil(TRAINING, "original")
    refused = evaluate("--validation", str(HELD_OUT))
    assert refused.returncode == 2
    assert "another corpus: tokenizer changed; restore training.jsonl" in refused.stderr


def test_a_checkpoint_of_before_is_judged_and_continued(run: Path) -> None:
    state = checkpoints.load(run)
    del state["corpus"]
    checkpoints.save(run / checkpoints.NAME, state)
    spoil(HELD_OUT, "paraphrases")
    judged = evaluate()
    assert judged.returncode == 0, judged.stderr
    assert "whether its sentences are still the same is not known" in judged.stdout
    assert resumed(run).history[-1].step == 6


def test_a_run_records_what_it_has_read(trained: Path) -> None:
    config = from_yaml((trained / "run" / "config.yaml").read_text(encoding="utf-8"))
    text = (trained / "run" / FILE).read_text(encoding="utf-8")
    record, state = RunRecord.from_json(text, FILE), checkpoints.load(trained / "run")
    with contextlib.chdir(trained):
        assert record.corpus == state["corpus"] == corpus_digests(config, load(config.data))
    assert {"training counterfactuals", "splits", "tokenizer"} <= set(record.corpus)
    before = json.loads(text)
    del before["corpus"]
    assert RunRecord.from_json(json.dumps(before), FILE).corpus == {}


def test_the_tracker_keeps_one_fingerprint_of_it(run: Path) -> None:
    digests = checkpoints.load(run)["corpus"]
    tracker = MemoryTracker()
    resumed(run, tracker)
    fingerprint = corpus_fingerprint(digests)
    assert fingerprint != digests["tokens"]  # it covers variants
    assert tracker.labels["corpus"] == tracker.datasets[str(TRAINING)]["fingerprint"] == fingerprint


def test_probes_refuse_other_sentences_too(run: Path) -> None:
    open_checkpoint(run, None, 10)
    spoil(HELD_OUT, "original")
    with pytest.raises(UserError, match="another corpus: held-out sentences changed; restore"):
        open_checkpoint(run, None, 10)
