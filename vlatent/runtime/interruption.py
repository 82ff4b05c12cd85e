"""Wishes to stop: Ctrl-C, SIGTERM, a closed terminal and a dead parent mean the same everywhere."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STATUS = 128  # beside the signal's number, of who has ended because of it
CALLED = {signal.SIGINT: "Ctrl-C"}  # what a person has pressed


class Interrupted(KeyboardInterrupt):
    """Raised where a signal arrives that is to stop the work at once.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


class Stop:
    """A wish to stop, which work heeds when it can do so without losing anything.

    Attributes:
        number: The signal that wished for it first, if one did.
    """

    def __init__(self, parent: int | None = None) -> None:
        """A wish that nobody has yet.

        Args:
            parent: Process without which there is nobody left to work for; None watches nobody.
                Who begins a process says which: asked later, the system may name another one.
        """
        self.number: int | None = None
        self._wished = self._undisturbed = self._insisted = False
        self._parent = parent

    @property
    def wished(self) -> bool:
        """Whether to stop: asked for, or there is nobody left to work for."""
        return self._wished or (self._parent is not None and os.getppid() != self._parent)

    def wish(self, number: int | None = None) -> None:
        self._wished = True
        self.number = self.number or number

    def insist(self, number: int = signal.SIGINT) -> None:
        """Stop at once; the first time that work must not be disturbed, as soon as it heeds."""
        self.wish(number)
        if not self._undisturbed or self._insisted:
            raise Interrupted(number)
        self._insisted = True

    def ask(self, number: int) -> None:
        """What a signal does that is sent twice in earnest: wish first, insist then."""
        if self.wished:
            self.insist(number)
        self.wish(number)

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While books are opened or closed that would else stay open for ever."""
        self._undisturbed = True
        try:
            yield
        finally:
            self._undisturbed = False

    def heed(self) -> None:
        """Stop now if that was insisted on meanwhile."""
        if self._insisted:
            raise self.interruption()

    def interruption(self) -> Interrupted:
        """What a command ends with that has heeded the wish."""
        return Interrupted(self.number or signal.SIGINT)


@contextlib.contextmanager
def interruption(stop: Stop) -> Iterator[None]:
    """Every signal insists on a stop."""
    with _heard(lambda number, _: stop.insist(number)):
        yield


@contextlib.contextmanager
def gentle_interruption(stop: Stop, first: str) -> Iterator[None]:
    """The first signal wishes for a stop and says so, the second insists on it.

    A terminal that closes sends more than one: they never insist.
    """

    def ask(number: int, _: FrameType | None) -> None:
        if not stop.wished:
            stop.wish(number)
            called = CALLED.get(signal.Signals(number), signal.Signals(number).name)
            with contextlib.suppress(OSError):  # nobody may be there to read it
                # Not `print`, which must not be begun again while it is at work.
                os.write(2, f"\n{first} {called} again stops at once.\n".encode())
        elif number != signal.SIGHUP:
            stop.insist(number)

    with _heard(ask):
        yield


@contextlib.contextmanager
def _heard(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals are handled so; SIGHUP stays ignored if it is, as under nohup."""
    numbers = [
        number
        for number in SIGNALS
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in zip(numbers, before, strict=True):
            signal.signal(number, earlier)
