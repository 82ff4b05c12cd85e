"""What does each part buy? One file a question; arms are compared seed by seed."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)


def __getattr__(name: str) -> object:
    if name != "run_ablation":
        raise AttributeError(f"module 'ablations' has no attribute {name!r}")
    from ablations.ablation import run_ablation  # when it is needed: reading trains nothing

    return run_ablation
