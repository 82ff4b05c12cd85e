"""Training with terms that see the text: only when asked, resumed bitwise, to good effect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from inside import inside
from smoke import smoke

from vlatent import checkpoints
from vlatent.__main__ import main
from vlatent.config import Config, to_yaml
from vlatent.corpus import Corpus
from vlatent.evaluation import Evaluation, Verdict
from vlatent.scenes import default_corpus
from vlatent.shapes import UserError
from vlatent.step import Diverged
from vlatent.terms import Contrast
from vlatent.tracking import MemoryTracker
from vlatent.training import train


class Stop(Exception):
    pass


@pytest.fixture(scope="session")
def lines() -> str:
    """A hundred sentences with their variants, as a file."""
    return "\n".join(json.dumps(example.record()) for example in default_corpus(100, 1)[0])


@pytest.fixture
def with_terms(tmp_path: Path, lines: str) -> Callable[..., Config]:
    path = tmp_path / "blocks.jsonl"
    path.write_text(lines, encoding="utf-8")

    def made(**changes: object) -> Config:
        usual = {
            "data__train": path,
            "terms__contrast__weight": 1.0,
            "terms__invariance__weight": 0.2,
            "evaluation__retrieved": 10,
            "tracking__figures": False,
        }
        return smoke(tmp_path, **usual | changes)

    return made


def test_without_terms_no_variant_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(corpus: Corpus) -> None:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(Corpus, "variants", property(never))
    monkeypatch.setattr(Corpus, "splits", property(never))
    result = train(smoke(tmp_path, tracking__figures=False), MemoryTracker())
    assert not [name for name in result.history[-1].metrics if name.startswith("meaning/")]


def test_a_resumed_run_is_the_uninterrupted_one(
    tmp_path: Path, with_terms: Callable[..., Config]
) -> None:
    whole = train(with_terms(training__folder=tmp_path / "whole"), MemoryTracker())
    parts = tmp_path / "parts"

    def stop(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        if step == 6:
            raise Stop

    with pytest.raises(Stop):
        train(with_terms(training__folder=parts), MemoryTracker(), report=stop)
    torch.manual_seed(1234)  # another process has another random state
    resumed = train(with_terms(training__folder=parts, training__resume=parts), MemoryTracker())
    assert resumed.history == whole.history
    for part in ("model", "average"):
        one, other = (checkpoints.load(place)[part] for place in (tmp_path / "whole", parts))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_terms_are_recorded_and_judged(with_terms: Callable[..., Config]) -> None:
    tracker = MemoryTracker()
    result = train(with_terms(tracking__figures=True), tracker)
    assert {"figures/meaning.png", "figures/triples.png"} <= set(tracker.files)
    assert {"penalty/contrast", "weighted/invariance"} <= set(tracker.history)
    assert sorted(tracker.history["meaning/random/recall_at_1"]) == [0, 3, 6, 9, 12]
    names = [criterion.name for criterion in result.verdict.criteria]
    wanted = ("recall@1", "recall@5", "gap", "triplet accuracy", "jitter", "jitter recall")
    assert tuple(names[-6:]) == wanted
    assert "meaning/random/recall_at_1_bag_of_words" in tracker.history
    for step, total in tracker.history["loss"].items():
        shares = [tracker.history[n][step] for n in tracker.history if n.startswith("weighted/")]
        assert total == pytest.approx(sum(shares), rel=1e-5)


def test_contrast_parts_the_pictures(tmp_path: Path, with_terms: Callable[..., Config]) -> None:
    longer = {"training__steps": 40, "training__batch_size": 8, "evaluation__count": 3}
    tracker = MemoryTracker()
    found = train(with_terms(training__folder=tmp_path / "with", **longer), tracker)
    off = {"terms__contrast__weight": 0.0, "terms__invariance__weight": 0.0}
    alone = train(
        with_terms(training__folder=tmp_path / "without", **longer, **off), MemoryTracker()
    )
    penalty = tracker.history["penalty/contrast"]
    assert penalty[39] < 0.8 * penalty[0]
    share, before = (
        result.history[-1].metrics["dependence/between_share"] for result in (found, alone)
    )
    assert share > 0.1
    assert share > 10 * before


def test_sentences_without_paraphrases_are_an_error_before_anything_is_trained(
    tmp_path: Path, with_terms: Callable[..., Config]
) -> None:
    config = with_terms(data__train=smoke(tmp_path).data.train, evaluation__retrieved=0)
    with pytest.raises(UserError, match=r"sentences\.txt: .* no paraphrases"):
        train(config, MemoryTracker())
    assert not (tmp_path / "run" / checkpoints.NAME).exists()
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    done = inside(tmp_path, main, "train", "--config", "config.yaml")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no paraphrases" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


def test_a_broken_contrast_is_named(
    with_terms: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Contrast, "penalty", lambda self, views: views.sentences.sum() * torch.nan)
    with pytest.raises(Diverged, match="penalty/contrast is not finite"):
        train(with_terms(), MemoryTracker())
