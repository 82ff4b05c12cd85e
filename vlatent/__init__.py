"""Search the loss weights and ablate the priors of an encoder that paints text as a picture."""

import os

# Threads of one step wait for each other many times. Where cores are shared with others, waiting
# by spinning made single steps 20 times as long; sleeping costs nothing that we could measure.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
