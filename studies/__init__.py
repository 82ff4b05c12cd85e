"""Which weights and rates are best? One file a question; Optuna searches."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)
