"""Which weights and rates are best? One file a question; Optuna searches."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)


def __getattr__(name: str) -> object:
    if name != "run_study":
        raise AttributeError(f"module 'studies' has no attribute {name!r}")
    from studies.study import run_study  # when it is needed: reading results imports no training

    return run_study
