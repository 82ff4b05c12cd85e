"""Analyses of what runs, studies and ablations recorded; nothing here trains."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)
