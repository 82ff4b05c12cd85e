"""What does each part buy? One file a question; arms are compared seed by seed."""

import vlatent  # noqa: F401  # first, so that Ctrl-C is heard from the beginning
