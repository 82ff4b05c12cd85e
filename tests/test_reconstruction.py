"""A decoder that learns beside its encoder: recorded, resumed bitwise, begun with another run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from inside import inside
from smoke import smoke
from torch.nn import functional

from vlatent import checkpoints
from vlatent.__main__ import main
from vlatent.config import Config, flatten, override, to_yaml
from vlatent.evaluation import Evaluation, Verdict
from vlatent.fingerprints import effective, fingerprint
from vlatent.joint import Joint
from vlatent.models import first_weights
from vlatent.own_encoder import embed_of, encoder_of
from vlatent.preparation import corpus_for
from vlatent.result import Result
from vlatent.scenes import default_corpus
from vlatent.shapes import UserError
from vlatent.step import encode_views
from vlatent.tracking import MemoryTracker
from vlatent.training import train

SMALL = {"hidden": 16, "layers": 1, "heads": 2, "feed_forward": 16}


class Stop(Exception):
    pass


def made(folder: Path, **changes: object) -> Config:
    """A config whose runs read short sentences about blocks back."""
    path = folder / "blocks.jsonl"
    if not path.exists():
        examples = default_corpus(60, 1, complexity=1)[0]
        path.write_text("\n".join(json.dumps(each.record()) for each in examples), encoding="utf-8")
    usual = {"terms__reconstruction__weight": 0.7, "evaluation__read": 2, "data__train": path}
    usual |= {"terms__cycle__weight": 0.2, "terms__copying__weight": 0.1, "terms__cycle__start": 1}
    usual |= {f"terms__reconstruction__decoder__{name}": size for name, size in SMALL.items()}
    usual |= {"tracking__figures": False, "evaluation__probed": 0, "evaluation__count": 3}
    return smoke(folder, **usual | {"training__steps": 6} | changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, MemoryTracker]:
    """A run from beginning to end."""
    folder, tracker = tmp_path_factory.mktemp("whole"), MemoryTracker()
    return folder, train(made(folder), tracker), tracker


def weights(place: Path, part: str = "average") -> dict[str, torch.Tensor]:
    kept = checkpoints.load(place)[part]
    return {name: value for name, value in kept.items() if isinstance(value, torch.Tensor)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_resumed_run_is_the_uninterrupted_one(
    tmp_path: Path, whole: tuple[Path, Result, MemoryTracker]
) -> None:
    folder, result, _ = whole
    parts = tmp_path / "parts"

    def stop(step: int, evaluation: Evaluation, verdict: Verdict) -> None:
        if step == 4:
            raise Stop

    with pytest.raises(Stop):
        train(made(folder, training__folder=parts), MemoryTracker(), report=stop)
    torch.manual_seed(1234)  # another process has another random state
    resumed = train(made(folder, training__folder=parts, training__resume=parts), MemoryTracker())
    assert resumed.history == result.history
    for part in ("model", "average", "decoder_average"):
        assert same(weights(folder / "run", part), weights(parts, part))
    one, other = (checkpoints.load(place)["decoder"] for place in (folder / "run", parts))
    assert same(one["decoder"], other["decoder"])


def test_a_run_is_recorded_and_judged(whole: tuple[Path, Result, MemoryTracker]) -> None:
    folder, result, tracker = whole
    assert {"penalty/reconstruction", "weighted/reconstruction"} <= set(tracker.history)
    assert set(tracker.history["penalty/cycle"]) == set(tracker.history["penalty/copying"]) - {0}
    assert sorted(tracker.history["reading/random/fact_f1"]) == [0, 2, 4, 6]
    assert set(tracker.history["reading/random_another/fact_f1"]) == {6}
    names = [criterion.name for criterion in result.verdict.criteria]
    last = ["fact F1", "other words", "round trip", "grammar", "diversity", "leading components"]
    assert names[-6:] == last
    state = checkpoints.load(folder / "run")
    own, decoders = (kept["param_groups"][0]["lr"] for kept in (
        state["optimizer"], state["decoder"]["optimizer"]))  # fmt: skip
    assert decoders / own == pytest.approx(2e-3 / 4e-3)  # each has a rate of its own
    first = state["decoder_average"]["n_averaged"]
    assert int(first) == 6
    losses = list(tracker.history["penalty/reconstruction"].values())
    assert losses[-1] < losses[0]


def test_both_learn_what_the_loss_says(tmp_path: Path) -> None:
    """The penalty is the plain cross-entropy, and its gradient is that of the sum of both."""
    config = made(tmp_path, terms__reconstruction__noise=0.0)
    corpus = corpus_for(config)
    torch.manual_seed(0)
    model = encoder_of(config.encoder, corpus.vocabulary_size).eval()
    joint, index = Joint(config, corpus, model), torch.arange(3)
    views = encode_views(
        model,
        corpus,
        config,
        index,
        0,
        lambda: torch.autocast("cpu", enabled=False),
        joint.training,
    )
    penalty = config.terms.reconstruction.penalty(views)
    decoder, batch = joint.training.decoder.eval(), corpus.train.batch(index)
    latent = model(batch.ids, batch.mask)
    lost = []
    for row, (ids, mask) in enumerate(zip(batch.ids, batch.mask, strict=True)):
        said = torch.cat([ids[mask], torch.tensor([decoder.boundary])])
        read = torch.cat([torch.tensor([decoder.boundary]), ids[mask]])
        one = latent[row : row + 1]
        logits, _ = decoder(read[None], decoder.begin(one, embed_of(model)(one)))
        lost.append(functional.cross_entropy(logits[0], said, reduction="none"))
    by_hand = torch.cat(lost).mean()
    assert float(penalty.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-5)
    for part in (model, decoder):
        parameters = [value for value in part.parameters() if value.requires_grad]
        found, expected = (
            torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            for loss in (penalty, by_hand)
        )
        for one, other in zip(found, expected, strict=True):
            if other is not None:
                assert one is not None
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
        assert any(value is not None and value.abs().max() > 0 for value in expected)


@pytest.mark.processes
def test_a_run_begins_with_another_one(
    tmp_path: Path, whole: tuple[Path, Result, MemoryTracker]
) -> None:
    first = whole[0] / "run"
    still = {"optimizer__learning_rate": 1e-12, "terms__reconstruction__learning_rate": 1e-12}
    config = made(tmp_path, training__steps=2, training__folder=None, **still)
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    flags = "train", "--config", "config.yaml", "--training.folder"
    done = inside(tmp_path, main, *flags, "second", "--run", str(first))
    assert done.returncode == 0, done.stderr
    assert f"Begins with the encoder of {first} and its decoder." in done.stdout.replace("\n", "")
    for said in ("Read back", "another sentence's latent", "vlatent read second", "round trip"):
        assert said in done.stdout
    for part in ("average", "decoder_average"):
        one, other = weights(first, part), weights(tmp_path / "second", part)
        for name in (name for name in one if name.startswith("module.")):
            torch.testing.assert_close(one[name], other[name])
    read = inside(tmp_path, main, "read", "second", "A red cube is on a blue sphere.")
    assert read.returncode == 0, read.stderr
    assert read.stdout.startswith("told  A red cube is on a blue sphere.")
    begun = override(config, {"training.start": first})
    assert fingerprint(begun) != fingerprint(config)
    assert list(first_weights(begun)) == ["first weights (checkpoint.pt)"]
    for flag, place, said in (
        ("--run", "nowhere", "name the folder of a run, or leave --run out"),
        ("--terms.reconstruction.decoder.layers", "2", "another architecture"),
    ):
        more = ["--run", str(first)] if flag != "--run" else []
        refused = inside(tmp_path, main, *flags, "third", *more, flag, place)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert said in refused.stderr


def test_without_it_nothing_is_another(tmp_path: Path) -> None:
    config = smoke(tmp_path)
    new = (
        "terms.reconstruction",
        "terms.cycle",
        "terms.copying",
        "evaluation.read",
        "training.start",
    )
    assert [name for name in flatten(config) if name.startswith(new)]
    assert not [name for name in effective(config) if name.startswith(new)]
    with_it = override(config, {"terms.reconstruction.weight": 0.7})
    assert fingerprint(with_it) != fingerprint(config)
    other = override(with_it, {"terms.reconstruction.decoder.patch": 2})
    assert fingerprint(other) != fingerprint(with_it)


def test_of_plain_sentences_no_paraphrase_is_asked(tmp_path: Path) -> None:
    config = smoke(tmp_path, terms__reconstruction__weight=0.7)
    assert corpus_for(config)
    says = override(config, {"terms.reconstruction.says": "paraphrase"})
    with pytest.raises(UserError, match="no paraphrases"):
        corpus_for(says)
    # Of words that it may not say the loss would be infinite at once.
    with pytest.raises(UserError, match=r"restricted .* set it to false"):
        override(says, {"terms.reconstruction.decoder.restricted": True})
    patch = override(config, {"terms.reconstruction.decoder.patch": 5})
    with pytest.raises(UserError, match=r"patch must divide"):
        corpus_for(patch)
