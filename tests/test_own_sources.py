"""A file of the user's own that changed since: readers warn, what would go on is refused."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from own_parts import SOURCE, own_module
from smoke import smoke

from vlatent import checkpoints
from vlatent.config import Config, from_yaml, override
from vlatent.models import trained_model
from vlatent.own_sources import changed_sources, part_sources
from vlatent.preparation import corpus_of
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.training import train
from vlatent.workload import ENCODER

PLACE, OTHER = "priors.sharpness", {"priors.sharpness": "0" * 16}
DIGEST = hashlib.sha256(SOURCE.encode()).hexdigest()[:16]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A short run with a prior out of a module of this test alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    name = f"own_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    own_module(tmp_path, name)
    off = {"tracking__figures": False, "evaluation__probed": 0, "evaluation__count": 3}
    plain = smoke(tmp_path, training__steps=3, **off)
    text = f"priors: {{sharpness: {{class_path: {name}.Sharpness, init_args: {{weight: 0.1}}}}}}"
    return override(plain, {PLACE: from_yaml(text).priors.sharpness})


def test_every_part_has_the_digest_of_its_file(config: Config) -> None:
    assert part_sources(config) == {PLACE: DIGEST}
    assert part_sources(Config()) == {}
    assert changed_sources(config, part_sources(config)) == []
    assert changed_sources(config, {}) == []  # of records that had none
    [said] = changed_sources(config, OTHER)
    assert said.startswith("the source of priors.sharpness own_")
    assert said.endswith(f"changed: it was {'0' * 16}, and is {DIGEST}")


def test_a_worker_with_another_file_refuses(config: Config) -> None:
    with pytest.raises(UserError, match=r"priors\.sharpness own_.* this worker reads another file"):
        ENCODER.require_planned(config, {}, OTHER)
    ENCODER.require_planned(config, {}, part_sources(config))


def test_a_checkpoint_is_read_with_a_warning_and_not_continued(config: Config) -> None:
    folder = train(config, MemoryTracker()).folder
    state = checkpoints.load(folder)
    assert state["sources"] == {PLACE: DIGEST}
    size = corpus_of(config.data).vocabulary_size
    trained_model(state, size)
    with pytest.warns(
        UserWarning, match=r"of priors\.sharpness .* what is computed now may differ"
    ):
        trained_model(state | {"sources": OTHER}, size)

    longer = override(config, {"training.resume": folder, "training.steps": 4})
    checkpoints.save(folder / checkpoints.NAME, state | {"sources": OTHER})
    refused = r"cannot be continued: the source of priors\.sharpness .*; restore the file, or begin"
    with pytest.raises(UserError, match=refused) as error:
        train(longer, MemoryTracker())
    assert "\n" not in str(error.value)
    checkpoints.save(folder / checkpoints.NAME, state)
    assert train(longer, MemoryTracker()).history[-1].step == 4
