"""What does each part buy? One file a question; arms are compared seed by seed."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)
