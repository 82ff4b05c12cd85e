"""A study of an encoder that learns to be read: what its trials are worth is what they measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inside import inside
from test_reading_back import config_in, few  # noqa: F401

from studies.job import load_study
from studies.study import main
from vlatent.config import override, to_yaml
from vlatent.reading_back import of_encoder
from vlatent.run_record import FILE
from vlatent.tracking import MemoryTracker
from vlatent.training import train

TERMS = {
    **{"terms.contrast.weight": 1.0, "terms.invariance.weight": 1.0},
    **{"evaluation.retrieved": 8, "data.max_length": 24},  # who knows nothing yet has said it soon
}
SIZES = {"hidden": 16, "feed_forward": 16, "heads": 2, "layers": 1}


@pytest.mark.soak
@pytest.mark.processes
def test_two_trials_that_begin_with_the_weights_of_a_run(tmp_path: Path) -> None:
    first = override(of_encoder(config_in(tmp_path)), TERMS)
    begun = train(first, MemoryTracker()).folder
    read = {f"terms.{term}.weight": 0.1 for term in ("reconstruction", "cycle", "copying")}
    read |= {f"terms.reconstruction.decoder.{name}": size for name, size in SIZES.items()}
    read |= {"terms.cycle.start": 9, "terms.copying.start": 9}  # their draws take long
    read |= {"evaluation.read": 4, "training.folder": None, "tracking.figures": False}
    (tmp_path / "base.yaml").write_text(to_yaml(override(first, read)), encoding="utf-8")
    flags = ["--config", "base.yaml", "--training.start", str(begun)]
    flags += ["--study.trials", "2", "--study.confirm", "0"]
    done = inside(tmp_path, lambda given: main("round_trip", given), *flags)
    assert done.returncode == 0, done.stderr
    study = load_study("round_trip", f"sqlite:///{tmp_path / 'studies.db'}")
    for trial in study.get_trials():
        place = tmp_path / "runs" / "round_trip" / f"trial-{trial.number:04d}" / FILE
        record = json.loads(place.read_text(encoding="utf-8"))
        before, *_, last = (evaluation["metrics"] for evaluation in record["history"])
        views = [last[f"reading/compositional{noise}/fact_f1"] for noise in ("", "_noise")]
        assert trial.values == [min(views), record["score"]]
        assert record["score"] == last["channels_in_band"] + 0.98 * last["likeness"]
        assert before["from_run"] == 1
        judged = {line["name"]: line["margin"] for line in record["criteria"]}
        assert trial.constraints == judged
        assert {"seams", "recall@1", "fact F1", "other words", "round trip"} <= judged.keys()
    assert len(study.get_trials()) == 2
