"""An encoder of a user's own: checked before it is trained, recorded, and built again from that."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from smoke import smoke
from torch import Tensor, nn

from vlatent import checkpoints
from vlatent.command_line import Parser
from vlatent.config import GivenConfig, build, flatten, from_yaml, override, to_yaml
from vlatent.corpus import TokenBatch, load
from vlatent.dependence import encode, retrieval
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.encoder_check import check, latent_size
from vlatent.fingerprints import effective, fingerprint
from vlatent.models import trained_model
from vlatent.optimization import MovingAverage, OptimizerConfig, adamw, set_learning_rate
from vlatent.own_classes import OwnClass
from vlatent.own_encoder import described, embed_of, encoder_of
from vlatent.preparation import size_of_latents
from vlatent.shapes import UserError
from vlatent.tracking import MemoryTracker
from vlatent.training import train
from vlatent.workload import ENCODER

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "own_encoder.py"
CLASS_PATH = f"{EXAMPLE}:Convolutional"


class Own(nn.Module):
    """Right in every way; what is derived from it breaks one thing."""

    def __init__(self, vocabulary: int = 30, size: int = 16, channels: int = 6) -> None:
        super().__init__()
        self.size = (size, size, channels)
        self.words = nn.Embedding(vocabulary, 8)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(8)
        self.draw = nn.Linear(8, size * size * channels)

    def mean(self, ids: Tensor, mask: Tensor) -> Tensor:
        return (self.words(ids) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        mean = self.norm(self.drop(self.mean(ids, mask)))
        return self.draw(mean).unflatten(1, self.size)


class Spare(Own):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)


def broken(kind: str) -> nn.Module:
    """An encoder with one mistake."""
    torch.manual_seed(0)
    right = Own.forward

    class Broken(Own):
        def forward(self, ids: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
            latent = right(self, ids, mask)
            return {
                "a pair": lambda: (latent, mask),
                "flat": lambda: latent.flatten(1),
                "one alone": lambda: latent[:1],
                "integers": lambda: latent.long(),
                "channels first": lambda: latent.movedim(-1, 1),
                "a line": lambda: latent[:, :1],
                "not a number": lambda: latent / 0,
                "constant": lambda: self.draw.bias.unflatten(0, self.size).expand_as(latent),
                "detached": lambda: latent.detach(),
                "wrong product": lambda: latent @ self.words.weight,
                "fine": lambda: latent,
            }[kind]()

    if kind in ("sees padding", "counts padding"):

        class Leaking(Own):
            def mean(self, ids: Tensor, mask: Tensor) -> Tensor:
                if kind == "sees padding":
                    return self.words(ids).mean(1)
                return (self.words(ids) * mask[..., None]).mean(1)

        return Leaking()
    if kind == "flat embedding":

        class Flat(Own):
            def embed(self, latent: Tensor) -> Tensor:
                return latent.flatten()

        return Flat()
    return Spare() if kind == "unused" else Broken()


def two_sentences() -> tuple[TokenBatch, TokenBatch]:
    ids = torch.tensor([[3, 4, 0, 0, 0], [5, 6, 7, 0, 0]])
    return TokenBatch(ids, ids > 0), TokenBatch(ids[:1, :2], ids[:1, :2] > 0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("a pair", r"returns tuple for ids \[2, 5\] and mask \[2, 5\], no tensor: it must return"),
        ("flat", r"returns the shape \[2, 1536\] .* must return \[batch, height, width, channel\]"),
        ("one alone", r"returns the shape \[1, 16, 16, 6\]"),
        ("integers", r"returns torch.int64, but latents are floating-point"),
        (
            "channels first",
            r"\[2, 6, 16, 16\], which looks like channels first: .*movedim",
        ),
        ("a line", r"\[2, 1, 16, 6\]: latents must be at least 4 x 4"),
        ("not a number", r"NaN or infinite values before the first step"),
        ("constant", r"ignores its sentence: two that differ have the same latent"),
        ("sees padding", r"sees its padding: other ids where mask is false change the latent"),
        ("counts padding", r"sees its padding: a sentence has another latent alone than padded"),
        ("detached", r"its latent is detached; leave out detach\(\)"),
        ("unused", r"no gradient reaches unused\.weight and 1 more of encoder X: use it"),
        ("wrong product", r"fails on ids \[2, 5\] .*: RuntimeError: .*forward\(ids, mask\)"),
        ("flat embedding", r"embed\(latent\) of encoder X returns \[3072\]"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(kind: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        check(broken(kind), "X", *two_sentences())
    assert "\n" not in str(error.value)


def test_what_is_right_passes() -> None:
    assert check(broken("fine"), "X", *two_sentences()) == (16, 16, 6)
    ours = Encoder(EncoderConfig(hidden=16, heads=2, layers=1, height=8, width=12, channels=3), 30)
    assert check(ours, "ours", *two_sentences()) == (8, 12, 3)
    frozen = broken("fine").requires_grad_(False)
    with pytest.raises(UserError, match="no parameter with requires_grad"):
        check(frozen, "X", *two_sentences())


def parsed(*arguments: str) -> object:
    parser = Parser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(GivenConfig, nested_key=None)
    return build(parser.checked(arguments))


def test_files_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(f"encoder: {{class_path: '{CLASS_PATH}', init_args: {{width: 40}}}}\n")
    config = parsed("--config", "smoke", "--config", str(file), "--encoder.init_args.size", "8")
    own = config.encoder  # type: ignore[attr-defined]
    assert own.init_args == {"width": 40, "size": 8, "channels": 6}
    assert len(own.source) == 16
    flags = ("--encoder.class_path", CLASS_PATH, "--encoder.init_args.width", "40")
    assert parsed("--config", "smoke", *flags, "--encoder.init_args.size", "8") == config
    assert from_yaml(to_yaml(config)) == config  # type: ignore[arg-type]
    flat = flatten(config)
    assert flat["encoder.init_args.width"] == 40
    assert flat["encoder.class_path"] == CLASS_PATH
    assert not any(name.startswith("encoder.hidden") for name in flat)
    again = replace(own, class_path="elsewhere/own_encoder.py:Convolutional")
    assert fingerprint(override(config, {"encoder": again})) == fingerprint(config)  # type: ignore[arg-type]
    for change in ({"encoder.init_args.width": 41}, {"encoder.source": "0" * 16}):
        assert fingerprint(override(config, change)) != fingerprint(config)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--encoder.class_path", "absent.Name"],
            r"encoder\.class_path: there is no module",
        ),
        (
            ["--encoder.class_path", "os.system"],
            r"class derived from torch's Module, but os\.system is none",
        ),
        (
            ["--encoder.init_args.width", "3"],
            r"init_args needs a class: give --encoder",
        ),
        (
            ["--encoder.class_path", CLASS_PATH, "--encoder.hidden", "48"],
            r"encoder\.hidden belongs",
        ),
        (
            ["--encoder.class_path", CLASS_PATH, "--encoder.init_args.widht", "3"],
            r"no key encoder\.init_args\.widht; did you mean encoder\.init_args\.width\?",
        ),
        (["--encoder", f"{{class_path: '{CLASS_PATH}'}}"], r"give --encoder\.class_path NAME"),
    ],
)
def test_wrong_flags(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parsed(*arguments)


def test_settings_of_ours_in_the_same_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(f"encoder:\n  class_path: '{CLASS_PATH}'\n  hidden: 64\n")
    with pytest.raises(UserError, match=r"encoder\.hidden belongs .* encoder\.init_args\.hidden"):
        parsed("--config", str(file))


def test_python_takes_a_class_and_nothing_that_cannot_be_built_again(tmp_path: Path) -> None:
    own = described(partial(Own, size=12))
    assert own.class_path == f"{__name__}.Own"
    assert own.init_args == {"size": 12, "channels": 6}
    assert encoder_of(own, 17).words.num_embeddings == 17  # type: ignore[union-attr]
    with pytest.raises(UserError, match=r"derived from torch's Module, but .*broken is none"):
        described(broken)
    for instance in (Own(), lambda: Own()):
        with pytest.raises(UserError, match=r"must be a class that other processes can import"):
            described(instance)
    with pytest.raises(UserError, match=r"of a functools\.partial by their names"):
        described(partial(Own, 3))
    for called in ("pathlib.Path", "os.system"):  # by a checkpoint of somebody else's, too
        with pytest.raises(UserError, match=rf"derived from torch's Module, but {called} is none"):
            encoder_of(OwnClass(class_path=called, init_args={"command": "true"}), 3)


def test_a_run_is_recorded_and_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every place that builds an encoder from what was written down, on one short run."""
    file = tmp_path / "mine.py"
    source = EXAMPLE.read_text(encoding="utf-8")
    file.write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    own = {"class_path": "mine.py:Convolutional", "init_args": {"size": 24, "channels": 4}}
    flags = (f"--encoder.init_args.{name}={value}" for name, value in own["init_args"].items())  # type: ignore[attr-defined]
    given = parsed("--encoder.class_path", "mine.py:Convolutional", *flags).encoder  # type: ignore[attr-defined]
    config = override(smoke(tmp_path, training__steps=4, tracking__figures=False), {})
    config = replace(config, encoder=given)
    corpus = load(config.data)
    with pytest.warns(UserWarning, match="24 x 24 are judged by photographs of the nearest size"):
        assert latent_size(config, corpus) == (24, 24, 4)
    assert size_of_latents(config) == (24, 24, 4)
    tracker = MemoryTracker()
    result = train(config, tracker)
    assert tracker.settings["encoder.init_args.size"] == 24
    assert list(result.history[-1].size or ()) == [24, 24]

    state = checkpoints.load(result.folder)
    kept = from_yaml(state["config"])
    assert kept.encoder == given
    model = trained_model(state, corpus.vocabulary_size)
    latents = encode(model, corpus.fixed, 8)
    assert latents.shape[1:] == (24, 24, 4)
    assert torch.equal(
        latents, encode(trained_model(state, corpus.vocabulary_size), corpus.fixed, 4)
    )

    longer = override(kept, {"training.resume": result.folder, "training.steps": 6})
    changed = {"encoder.source": "0" * 16}
    with pytest.raises(UserError, match=r"source of encoder .* this worker reads another file"):
        ENCODER.require_planned(override(kept, changed), {}, {})
    text = state["config"].replace(given.source, "0" * 16)
    with pytest.warns(UserWarning, match=r"source of encoder mine\.py:Convolutional changed"):
        trained_model(state | {"config": text}, corpus.vocabulary_size)
    assert len(train(longer, MemoryTracker()).history) > len(result.history)

    missing = text.replace("mine.py:Convolutional", "absent_package.Name")
    with pytest.raises(UserError, match=r"^encoder\.class_path: there is no module absent_p"):
        trained_model(state | {"config": missing}, corpus.vocabulary_size)


def test_running_statistics_are_averaged_and_kept_by_evaluations() -> None:
    model = Own()
    average = MovingAverage(model, OptimizerConfig())
    ids, mask = torch.randint(1, 30, (6, 4)), torch.ones(6, 4, dtype=torch.bool)
    model.train()(ids, mask)
    average.update_parameters(model)
    assert torch.equal(average.module.norm.running_mean, model.norm.running_mean)
    assert model.norm.running_mean.abs().max() > 0


def test_retrieval_under_dropout_leaves_running_statistics_alone(tmp_path: Path) -> None:
    corpus = load(smoke(tmp_path).data)
    model = Own(corpus.vocabulary_size).eval()
    before = model.norm.running_mean.clone()
    latents = encode(model, corpus.fixed, 8)
    assert "dependence/retrieval" in retrieval(model, corpus.fixed, latents, 8)
    assert torch.equal(model.norm.running_mean, before)
    model.drop.p = 0.0
    assert retrieval(model, corpus.fixed, latents, 8) == {}


def test_decay_and_rates_by_name() -> None:
    class Named(Own):
        def no_weight_decay(self) -> set[str]:
            return {"words.weight"}

        def learning_rate_factors(self) -> dict[str, float]:
            return {"draw.weight": 0.5, "draw.bias": 0.5}

    model = Named()
    names = {id(value): name for name, value in model.named_parameters()}
    optimizer = adamw(model, OptimizerConfig(learning_rate=0.2, weight_decay=0.1))
    set_learning_rate(optimizer, 0.1)
    found = {
        names[id(value)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for value in group["params"]
    }
    assert found == {
        "words.weight": (0.1, 0.0),
        "norm.weight": (0.1, 0.0),
        "norm.bias": (0.1, 0.0),
        "draw.weight": (0.05, 0.1),
        "draw.bias": (0.05, 0.0),
    }


def test_without_an_embedding_means_and_variances_are_compared() -> None:
    latent = torch.randn(3, 4, 5, 2)
    rows = embed_of(Own())(latent)
    assert torch.allclose(rows[:, :2], latent.mean((1, 2)))
    assert torch.allclose(rows[:, 2:], latent.var((1, 2), correction=0))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )


@pytest.mark.processes
def test_a_study_with_two_workers_rebuilds_it(tmp_path: Path) -> None:
    """Spawned workers, replay and evaluate know the class by its path alone."""
    (tmp_path / "mine.py").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    short = ("--training.steps", "6", "--evaluation.count", "3", "--tracking.figures", "false")
    flags = ("--config", "smoke", "--encoder.class_path", "mine.Convolutional", *short)
    study = ("--study.trials", "3", "--study.workers", "2", "--study.confirm", "0")
    done = run(tmp_path, "-m", "studies.loss_weights", *flags, *study)
    assert done.returncode == 0, done.stderr + done.stdout
    replayed = run(tmp_path, "-m", "studies", "replay", "loss_weights", "0")
    assert replayed.returncode == 0, replayed.stderr + replayed.stdout
    weights = next(tmp_path.rglob("*.pt"))
    (tmp_path / "mine.py").unlink()
    lost = run(tmp_path, "-m", "vlatent", "evaluate", "--checkpoint", str(weights))
    assert lost.returncode == 2
    said = lost.stderr.strip().splitlines()[-1]
    assert said.startswith("error: encoder.class_path: there is no module mine; install it")
    assert "Traceback" not in lost.stderr


@pytest.mark.processes
def test_the_example_runs(tmp_path: Path) -> None:
    done = run(tmp_path, str(EXAMPLE))
    assert done.returncode == 0, done.stderr
    folder = re.findall(r"checkpoint in (.*)$", done.stdout.strip())[-1]
    config = from_yaml((tmp_path / folder / "config.yaml").read_text(encoding="utf-8"))
    assert config.encoder.init_args["width"] == 48  # type: ignore[union-attr]
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 40
    assert json.dumps(effective(config))
