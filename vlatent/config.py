"""The whole configuration of a run: the parts' dataclasses under one roof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import yaml
from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveInt

from vlatent.bounds import require_bounds
from vlatent.command_line import Parser
from vlatent.corpus import DataConfig
from vlatent.encoder import EncoderConfig
from vlatent.evaluation import EvaluationConfig
from vlatent.field_values import as_declared
from vlatent.objective import ObjectiveConfig
from vlatent.optimization import OptimizerConfig
from vlatent.own_classes import OwnClass, path_of
from vlatent.own_encoder import EncoderSettings, own_tokenizer
from vlatent.parts import init_fields, remembered_path
from vlatent.priors import Priors
from vlatent.runtime.addresses import without_password
from vlatent.terms import Terms
from vlatent.tracking import TrackingConfig
from vlatent.yaml_reader import read_settings


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One run: how long, with which batches, on which device.

    Attributes:
        steps: Optimizer steps.
        batch_size: Sentences in a batch.
        seed: Seed of the initial weights, the dropout and the order of the sentences.
        device: `auto` takes CUDA where there is a GPU, else the CPU.
        precision: Of the encoder; the priors are always computed in fp32. `auto` takes bf16 on a
            GPU and on processors with bf16 matrix instructions, else fp32.
        compile: Have torch.compile fuse the encoder's element-wise work: for long runs on a GPU, as
            it takes a minute at the start; on a CPU it gains nothing.
        blur_steps: First steps in which the priors see the latent through a Gaussian blur.
        blur: Standard deviation of that blur, in pixels.
        folder: Where the checkpoint, the resolved config and the figures go; null makes
            `runs/<date>-<time>`.
        start: Folder of another run, whose encoder's averaged weights are the first ones, and its
            decoder's where terms.reconstruction has a weight; null begins anew.
        resume: A checkpoint, or the folder of a run, to continue from.
    """

    steps: PositiveInt = 500
    batch_size: PositiveInt = 16
    seed: NonNegativeInt = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    blur_steps: NonNegativeInt = 0
    blur: NonNegativeFloat = 0.8
    folder: Path | None = None
    start: Path | None = None
    resume: Path | None = None

    def __post_init__(self) -> None:
        # A blur wider than the latent leaves its mean, and needs memory as its square.
        require_bounds("training", self, most={"batch_size": 10**6, "blur": 32})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a run is made of."""

    data: DataConfig = field(default_factory=DataConfig)
    encoder: EncoderConfig | OwnClass = EncoderConfig()
    priors: Priors = Priors()
    terms: Terms = Terms()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tracking: TrackingConfig = TrackingConfig()


@dataclass(frozen=True, kw_only=True)
class GivenConfig(Config):
    """A config as files and flags give it: `build` makes the config of it."""

    encoder: EncoderSettings = EncoderSettings()


@runtime_checkable
class RunConfig(Protocol):
    """What studies and ablations ask of any config: of our encoder, a decoder, a user's problem."""

    @property
    def training(self) -> Any:
        """Settings of the training; `steps` and `seed` are among them."""

    @property
    def tracking(self) -> TrackingConfig:
        """Where it is recorded."""


C = TypeVar("C")  # a dataclass of settings
E = TypeVar("E", bound=Config)


def add_settings(parser: Parser, own: type | None = None, kind: type[Any] = Config) -> None:
    """Let a command take config files, the flags of a config and those of its own settings."""
    parser.add_argument("--config", action="config", help="A YAML file; the later one wins.")
    parser.add_class_arguments(_given(kind), nested_key=None)
    if own is not None:
        parser.add_class_arguments(own, nested_key=parser.own)


def _given(kind: type[Any]) -> type:
    """The class of what files and flags give of a config of this kind."""
    if kind is Config:
        return GivenConfig
    if not issubclass(kind, Config):
        return kind
    own = {"__doc__": kind.__doc__, "__module__": kind.__module__}
    return dataclass(frozen=True, kw_only=True)(type(kind.__name__, (GivenConfig, kind), own))


def flatten(config: Any) -> dict[str, object]:
    """Dotted names to plain values: `priors.spectrum.weight` -> 0.5."""
    return dict(_leaves("", _nested(config)))


def override(config: C, changes: Mapping[str, object]) -> C:
    """The config with some dotted names changed, whose values are taken as in a file.

    >>> override(Config(), {"priors.spectrum.weight": 0.25}).priors.spectrum.weight
    0.25

    Raises:
        UserError: A value is not what its name takes.
    """
    for name, value in changes.items():
        config = _replaced(config, name, name.split("."), value)
    return config


def from_yaml(text: str) -> Config:
    """The config that `to_yaml` wrote, checked as on the command line."""
    return from_yaml_of(text, Config)


def from_yaml_of(text: str, kind: type[C]) -> C:
    """The config of this kind that `to_yaml` wrote."""
    parser = Parser()
    parser.add_class_arguments(_given(kind), nested_key=None)
    values, lines = read_settings(text, "the stored config")
    parser.places = {key: f"the stored config, line {line}" for key, line in lines.items()}
    return build_of(parser.checked_object(values), kind, stored=True)


def read_config(*given: str) -> Config:
    """The config of one or more files, by path or by the name of one that comes along.

    >>> read_config("quick").training.steps
    120
    >>> read_config("quick", "winner").priors.decorrelation.weight
    0.5746

    Args:
        given: What `--config` takes; of a key in several, the last counts.

    Raises:
        UserError: There is no such config, or it is wrong: names file, line and key.
    """
    parser = Parser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(GivenConfig, nested_key=None)
    return build(parser.checked([flag for name in given for flag in ("--config", name)]))


def build(values: Mapping[str, object], stored: bool = False) -> Config:
    """A Config from parsed groups; a `stored` one names classes that may be gone by now."""
    return build_of(values, Config, stored)


def with_encoder(config: E, own: OwnClass) -> E:
    """A config that trains this class, with the tokenizer that it brings along unless one is set.

    Raises:
        UserError: The class cannot be imported.
    """
    tokenizer = config.data.tokenizer or own_tokenizer(own)
    return replace(config, encoder=own, data=replace(config.data, tokenizer=tokenizer))


def build_of(values: Mapping[str, object], kind: type[C], stored: bool = False) -> C:
    """A config of this kind from parsed groups; a `stored` one as for `build`."""
    fields: Any = kind
    parts: dict[str, Any] = {name: values[name] for name in fields.__dataclass_fields__}
    if not issubclass(kind, Config):
        return kind(**parts)
    settings: EncoderSettings = parts.pop("encoder")
    chosen = settings.chosen(stored)
    config = kind(**parts)
    if stored or isinstance(chosen, EncoderConfig):
        return replace(config, encoder=chosen)
    return with_encoder(config, chosen)


def to_yaml(config: Any) -> str:
    """The config as a file that `--config` reads back to the same config."""
    nested: Any = _nested(config)
    for group, name, _ in own_parts(config):
        path, *arguments = nested[group][name].items()
        nested[group][name] = dict([path, ("init_args", dict(arguments))])
    return yaml.safe_dump(_plain(nested), sort_keys=False)


def own_parts(config: Any) -> Iterator[tuple[str, str, type]]:
    """Group, name and class of every prior and term of the user's own."""
    for group in ("priors", "terms") if isinstance(config, Config) else ():
        for name, part in getattr(config, group).own.items():
            yield group, name, part


def _nested(config: Any) -> dict[str, Any]:
    """The settings as dictionaries, each part of the user's own with its class first."""
    nested = asdict(config)
    for group, name, part in own_parts(config):
        path = remembered_path(part) or path_of(part, f"{group}.{name}")
        settings = {field.name: nested[group][name][field.name] for field in init_fields(part)}
        nested[group][name] = {"class_path": path, **settings}
    return nested


def _replaced(part: Any, key: str, names: Sequence[str], value: object) -> Any:
    first, *rest = names
    if isinstance(part, Mapping):  # arguments of a class of the user's own
        return {**part, first: _replaced(part[first], key, rest, value) if rest else value}
    if rest:
        return replace(part, **{first: _replaced(getattr(part, first), key, rest, value)})
    return replace(part, **{first: as_declared(type(part), key, value)})


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, str) and "://" in value:
        return without_password(value)  # which nothing that is written down may hold
    return str(value) if isinstance(value, Path) else value


def _leaves(prefix: str, values: Mapping[str, object]) -> list[tuple[str, object]]:
    leaves: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            leaves += _leaves(f"{prefix}{name}.", value)
        else:
            leaves.append((f"{prefix}{name}", _plain(value)))
    return leaves
