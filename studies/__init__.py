"""Which weights and rates are best? One file a question; Optuna searches."""

import vlatent  # noqa: F401  # first, so that Ctrl-C is heard from the beginning
