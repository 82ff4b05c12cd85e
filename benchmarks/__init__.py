"""Programs that measure: what a step, a trial and a search cost, and what they are worth."""

import vlatent  # noqa: F401  # first, so that Ctrl-C is heard from the beginning
