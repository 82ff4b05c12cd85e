"""Pretrained text models under our head, on a tiny random BERT with a tokenizer of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from smoke import smoke

from vlatent import checkpoints
from vlatent.backbones import PretrainedEncoder
from vlatent.config import from_yaml, with_encoder
from vlatent.corpus import load
from vlatent.dependence import encode
from vlatent.encoder_check import latent_size
from vlatent.models import trained_model
from vlatent.optimization import OptimizerConfig, adamw, set_learning_rate
from vlatent.own_classes import own_class
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.training import train

WORDS = [
    "the",
    "red",
    "blue",
    "green",
    "gray",
    "cube",
    "ball",
    "cone",
    "pyramid",
    "disk",
    "is",
    "on",
]
LAYERS, VOCABULARY = 3, len(WORDS) + 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved as Hugging Face saves them: weights, config and tokenizer."""
    import tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("bert")
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]"
    ).save_pretrained(place)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
    bert = BertConfig(vocab_size=len(vocabulary), intermediate_size=32, **sizes)
    BertModel(bert).save_pretrained(place)
    return place


def encoder(folder: Path, vocabulary: int = VOCABULARY, **settings: object) -> PretrainedEncoder:
    sizes = {"hidden": 16, "heads": 2, "height": 16, "width": 16, "grid_hidden": 8}
    torch.manual_seed(0)
    given = sizes | {"grid_feed_forward": 32, "embedding": 8} | settings
    return PretrainedEncoder(vocabulary, str(folder), **given)  # type: ignore[arg-type]


def trained(model: PretrainedEncoder) -> set[str]:
    """What of the backbone has a gradient: its layers by number, its embeddings."""
    parts = set()
    for name, value in model.backbone.named_parameters():
        if value.requires_grad:
            layer = (
                name.split("layer.")[1].split(".")[0] if "layer." in name else name.split(".")[0]
            )
            parts.add(layer)
    return parts


def test_what_is_trained(folder: Path) -> None:
    assert trained(encoder(folder)) == set()
    assert trained(encoder(folder, trained_layers=1)) == {"2"}
    assert trained(encoder(folder, trained_layers=3)) == {"0", "1", "2"}
    assert trained(encoder(folder, trained_layers=-1)) == {"0", "1", "2", "embeddings"}
    for wrong in (-2, 4):
        with pytest.raises(UserError, match=r"trained_layers must be -1 .* at most 3, its layers"):
            encoder(folder, trained_layers=wrong)


def test_frozen_parts_have_no_dropout_and_no_gradient(folder: Path) -> None:
    model = encoder(folder, trained_layers=1).train()
    layers = model.backbone.encoder.layer
    assert [layer.training for layer in layers] == [False, False, True]
    assert not model.backbone.embeddings.training
    frozen = encoder(folder).train()
    ids, mask = torch.tensor([[2, 3, 4], [2, 5, 0]]), torch.tensor([[1, 1, 1], [1, 1, 0]]) == 1
    assert torch.equal(frozen(ids, mask), frozen(ids, mask))
    frozen(ids, mask).square().mean().backward()
    assert all(value.grad is None for value in frozen.backbone.parameters())
    assert frozen.narrow.weight.grad is not None


def test_rates_fall_layer_by_layer(folder: Path) -> None:
    model = encoder(folder, trained_layers=-1, layer_decay=0.5)
    optimizer = adamw(model, OptimizerConfig(learning_rate=1.0))
    set_learning_rate(optimizer, 1.0)
    rates = {id(v): group["lr"] for group in optimizer.param_groups for v in group["params"]}
    found = {name: rates[id(v)] for name, v in model.named_parameters() if v.requires_grad}
    assert found["narrow.weight"] == found["grid.seeds"] == 1.0
    query = "backbone.encoder.layer.{}.attention.self.query.weight"
    assert [found[query.format(layer)] for layer in range(LAYERS)] == [0.125, 0.25, 0.5]
    assert found["backbone.embeddings.word_embeddings.weight"] == 0.0625
    assert encoder(folder, trained_layers=-1).learning_rate_factors() == {}


def test_its_own_tokenizer_reads_and_a_checkpoint_brings_it_back(
    folder: Path, tmp_path: Path
) -> None:
    init_args = {"name": str(folder), "hidden": 16, "heads": 2, "height": 16, "width": 16}
    given = own_class("vlatent.PretrainedEncoder", init_args, "encoder", ("vocabulary",))
    assert given.source is None
    short = {"training__steps": 3, "tracking__figures": False, "evaluation__count": 3}
    config = with_encoder(smoke(tmp_path, **short), given)
    assert config.data.tokenizer == str(folder)
    own = replace(config.data, tokenizer=None)
    other = with_encoder(replace(config, data=replace(own, tokenizer="another")), given)
    assert other.data.tokenizer == "another"
    corpus = load(config.data)
    assert corpus.tokenizer.decode(corpus.tokenizer.encode(["the red cube"])[0]) == "the red cube"
    assert latent_size(config, corpus) == (16, 16, 6)
    result = train(config, MemoryTracker())
    state = checkpoints.load(result.folder)
    assert from_yaml(state["config"]).encoder == given
    latents = [encode(trained_model(state, VOCABULARY), corpus.fixed, size) for size in (8, 8)]
    assert torch.equal(*latents)
    with pytest.raises(UserError, match=r"the tokenizer has \d+ entries and .* knows 14: leave"):
        latent_size(replace(config, data=own), load(own))


def test_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hub out of reach, by an address where nobody listens: one line, at once."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name, says in (
        (
            "nobody/has-this",
            r"^model 'nobody/has-this' is neither a folder .* can be reached\.$",
        ),
        ("empty", r"^the folder 'empty' holds no model that can be read \(\w+\); save one there"),
    ):
        with pytest.raises(UserError, match=says):
            encoder(Path(name))
