"""Search the loss weights and ablate the priors of an encoder whose latents look like images.

Importing this package imports nothing else and changes nothing in its process: each public name is
imported where it is first needed. Commands (`python -m vlatent`) and workers set up their own
processes, by `vlatent.runtime.process`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from vlatent.runtime.process import prepare_module
from vlatent.version import VERSION

if TYPE_CHECKING:  # for whom an alias of the same name is public
    from vlatent.backbones import PretrainedEncoder as PretrainedEncoder
    from vlatent.config import Config as Config
    from vlatent.config import TrainingConfig as TrainingConfig
    from vlatent.config import override as override
    from vlatent.config import read_config as read_config
    from vlatent.corpus import Corpus as Corpus
    from vlatent.corpus import DataConfig as DataConfig
    from vlatent.encoder import Encoder as Encoder
    from vlatent.encoder import EncoderConfig as EncoderConfig
    from vlatent.evaluation import Evaluation as Evaluation
    from vlatent.evaluation import EvaluationConfig as EvaluationConfig
    from vlatent.evaluation import Verdict as Verdict
    from vlatent.evaluation import evaluate as evaluate
    from vlatent.evaluation import judge as judge
    from vlatent.optimization import OptimizerConfig as OptimizerConfig
    from vlatent.own_encoder import SentenceEncoder as SentenceEncoder
    from vlatent.priors import Contours as Contours
    from vlatent.priors import Decorrelation as Decorrelation
    from vlatent.priors import Kurtosis as Kurtosis
    from vlatent.priors import Prior as Prior
    from vlatent.priors import Priors as Priors
    from vlatent.priors import Spectrum as Spectrum
    from vlatent.priors import TotalVariation as TotalVariation
    from vlatent.priors import Variance as Variance
    from vlatent.priors import Wavelet as Wavelet
    from vlatent.priors import as_latent as as_latent
    from vlatent.problem import Problem as Problem
    from vlatent.problem import Weight as Weight
    from vlatent.result import Result as Result
    from vlatent.shapes import Latent as Latent
    from vlatent.shapes import UserError as UserError
    from vlatent.terms import Contrast as Contrast
    from vlatent.terms import Invariance as Invariance
    from vlatent.terms import Term as Term
    from vlatent.terms import Terms as Terms
    from vlatent.tracking import MemoryTracker as MemoryTracker
    from vlatent.tracking import Tracker as Tracker
    from vlatent.tracking import TrackingConfig as TrackingConfig
    from vlatent.training import train as train

__version__ = VERSION
prepare_module(__name__)

_HOMES = {
    "backbones": ("PretrainedEncoder",),
    "config": ("Config", "TrainingConfig", "override", "read_config"),
    "corpus": ("Corpus", "DataConfig"),
    "encoder": ("Encoder", "EncoderConfig"),
    "own_encoder": ("SentenceEncoder",),
    "evaluation": ("Evaluation", "EvaluationConfig", "Verdict", "evaluate", "judge"),
    "optimization": ("OptimizerConfig",),
    "priors": (
        "Contours",
        "Decorrelation",
        "Kurtosis",
        "Prior",
        "Priors",
        "Spectrum",
        "TotalVariation",
        "Variance",
        "Wavelet",
        "as_latent",
    ),
    "problem": ("Problem", "Weight"),
    "result": ("Result",),
    "shapes": ("Latent", "UserError"),
    "terms": ("Contrast", "Invariance", "Term", "Terms"),
    "tracking": ("MemoryTracker", "Tracker", "TrackingConfig"),
    "training": ("train",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'vlatent' has no attribute {name!r}")
    return getattr(import_module(f"vlatent.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
