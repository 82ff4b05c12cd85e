"""Search the loss weights and ablate the priors of an encoder that paints text as a picture."""

import os

# Threads of one step wait for each other many times. Where cores are shared with others, waiting
# by spinning makes single steps many times as long, and sleeping costs next to nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
