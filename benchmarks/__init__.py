"""Programs that measure: what a step, a trial and a search cost, and what they are worth."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)
