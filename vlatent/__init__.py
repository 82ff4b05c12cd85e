"""Search the loss weights and ablate the priors of an encoder that paints text as a picture."""

import ctypes
import os
import signal
import sys
from types import FrameType

# Threads of one step wait for each other many times. Where cores are shared with others, waiting
# by spinning makes single steps many times as long, and sleeping costs next to nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Every step asks for the same large pieces of memory. glibc returns each to the system, which fills
# its pages with zeros for the next step; here it keeps what it has. Other systems have no mallopt.
_KEEP = {-4: 0, -1: 2**31 - 1}  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
if os.name == "posix" and hasattr(_libc := ctypes.CDLL(None), "mallopt"):
    for _option, _value in _KEEP.items():
        _libc.mallopt(_option, _value)

# A command imports for seconds before it can listen. Nothing is to be put right by then, so Ctrl-C
# ends it here, instead of with a traceback of its imports. `-m` stands in the place of a module's
# name until it is found; who imports this library into his own program keeps what he has.
if sys.argv and os.path.basename(sys.argv[0]) in ("-m", "vlatent"):  # noqa: PTH119

    def _end(number: int, _: FrameType | None) -> None:
        os.write(2, b"interrupted\n")
        os._exit(128 + number)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
