"""Search the loss weights and ablate the priors of an encoder that paints text as a picture."""

import ctypes
import os

# Threads of one step wait for each other many times. Where cores are shared with others, waiting
# by spinning makes single steps many times as long, and sleeping costs next to nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Every step asks for the same large pieces of memory. glibc gives each back to the system at once,
# which then fills every page with zeros for the next step; here it keeps them.
_NO_MAPPING, _NO_TRIMMING = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD
_glibc = ctypes.CDLL(None)
if hasattr(_glibc, "mallopt"):
    for _option, _value in (_NO_MAPPING, _NO_TRIMMING):
        _glibc.mallopt(_option, _value)
