"""What did we learn? Reads results and never trains; `python -m analysis.report` shows them."""

from vlatent.runtime.process import prepare_module

prepare_module(__name__)
