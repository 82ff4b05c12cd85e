"""What did we learn? Reads results and never trains; `python -m analysis.report` shows them."""

import vlatent  # noqa: F401  # first, so that Ctrl-C is heard from the beginning
