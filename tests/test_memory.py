"""What a run needs of memory is known before it is taken, and is what it then takes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from smoke import CONFIGS, smoke

from vlatent import memory
from vlatent.config import from_yaml
from vlatent.corpus import load
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.memory import need, require_memory
from vlatent.preparation import corpus_for
from vlatent.shapes import UserError

SMALL = EncoderConfig(hidden=16, layers=2, heads=2, feed_forward=32, height=16, width=8)
CPU = torch.device("cpu")


def test_parameters_are_counted_exactly() -> None:
    for config in (SMALL, replace(SMALL, layers=5), replace(SMALL, vocabulary=50)):
        model = Encoder(config, 40)
        trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
        found = need(config, 40, 7)
        assert found.parameters == trained
        assert found.spare == sum(each.numel() for each in model.parameters()) - trained


@pytest.mark.parametrize("layers", [2, 5])
def test_a_step_keeps_what_was_foreseen(layers: int) -> None:
    """The same count on real tensors, dropout's masks among them."""
    config, sentences, tokens = replace(SMALL, layers=layers), 6, 7
    model = Encoder(config, 40)
    own = {each.untyped_storage().data_ptr() for each in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        latent = model(
            torch.ones(sentences, tokens, dtype=torch.int64), torch.ones(sentences, tokens) == 1
        )
    kept[latent.untyped_storage().data_ptr()] = latent
    real = sum(each.untyped_storage().nbytes() for at, each in kept.items() if at not in own)
    found = need(config, 40, tokens)
    assert 4 * (found.shared + sentences * found.sentence) == pytest.approx(real, rel=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder__hidden": 10**6}, r"encoder\.hidden 1000000 .* 1\d,\d{3},\d{3},\d{3},\d{3} par"),
        ({"encoder__height": 10**4, "encoder__width": 10**4}, r"encoder\.(height|width) 10000 is"),
        ({"encoder__vocabulary": 10**7, "encoder__hidden": 10**5}, r"encoder\.vocabulary 10000000"),
        ({"encoder__layers": 1_000, "encoder__hidden": 10**5}, r"encoder\.\w+ \d+ is too much"),
    ],
)
def test_what_cannot_fit_is_refused(changes: dict[str, int], message: str, tmp_path: Path) -> None:
    config = smoke(tmp_path, data__cache=tmp_path, **changes)
    corpus = load(config.data)
    with pytest.raises(UserError, match=message) as error:
        require_memory(config, corpus, CPU, half=False)
    assert "\n" not in str(error.value)


def test_the_documented_run_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = from_yaml((CONFIGS / "full.yaml").read_text(encoding="utf-8"))
    found = need(full.encoder, 1500, 40)
    assert 6e9 < 4 * (found.shared + 256 * found.sentence) < 14e9
    corpus = load(smoke(tmp_path, data__cache=tmp_path).data)
    config = replace(full, training=replace(full.training, batch_size=8))
    monkeypatch.setattr(memory, "memory", lambda device: 16 * 10**9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require_memory(config, corpus, CPU, half=False)
    monkeypatch.setattr(memory, "memory", lambda device: 8 * 10**8)
    with pytest.warns(UserWarning, match=r"this run may not fit: 32,\d{3},\d{3} parameters need"):
        require_memory(config, corpus, CPU, half=False)


def test_a_batch_beyond_the_corpus_is_said(tmp_path: Path) -> None:
    config = smoke(tmp_path, data__cache=tmp_path, training__batch_size=1000)
    corpus = load(config.data)
    with pytest.warns(UserWarning, match=r"batch_size is 1000, but there are 36 training sent"):
        require_memory(config, corpus, CPU, half=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder__height": 10}, r"a latent of 10x16 has no 3 Haar levels"),
        (
            {"encoder__height": 4, "priors__wavelet__levels": 1},
            r"encoder\.height 4 .* no contours",
        ),
        ({"encoder__vocabulary": 5}, r"encoder\.vocabulary is 5, but the tokenizer has"),
    ],
)
def test_what_fails_at_the_first_evaluation_fails_before(
    changes: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        corpus_for(smoke(tmp_path, data__cache=tmp_path, **changes))
