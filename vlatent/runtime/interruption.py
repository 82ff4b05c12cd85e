"""Requests to stop: Ctrl-C, SIGTERM, a closed terminal and a dead parent, handled alike."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STATUS = 128  # plus the signal's number: exit status of a process that it has ended
CALLED = {signal.SIGINT: "Ctrl-C"}  # the key that sends it


class Interrupted(KeyboardInterrupt):
    """A signal that stops the work at once.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


class Stop:
    """A request to stop, which work checks when it can end without losing anything.

    Attributes:
        number: The signal that requested it first, if one did.
    """

    def __init__(self, parent: int | None = None) -> None:
        """No request yet.

        Args:
            parent: Process whose end is a request to stop; None watches nobody. Who starts a
                process says which: asked later, the system may name another one.
        """
        self.number: int | None = None
        self._requested = self._shielded = self._forced = False
        self._parent = parent

    @property
    def requested(self) -> bool:
        """Whether to stop: on request, or because the parent is gone."""
        return self._requested or (self._parent is not None and os.getppid() != self._parent)

    def request(self, number: int | None = None) -> None:
        self._requested = True
        self.number = self.number or number

    def force(self, number: int = signal.SIGINT) -> None:
        """Stop at once; inside a shield the first time only after it.

        Raises:
            Interrupted: Now, where there is no shield.
        """
        self.request(number)
        if not self._shielded or self._forced:
            raise Interrupted(number)
        self._forced = True

    def on_signal(self, number: int) -> None:
        """Request a stop at the first signal, force it at the second."""
        if self.requested:
            self.force(number)
        self.request(number)

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        """Hold signals back while a record is opened or closed that would else stay open."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    def check(self) -> None:
        """Stop now if that was forced inside a shield."""
        if self._forced:
            raise self.interruption()

    def interruption(self) -> Interrupted:
        """The error with which a command ends that has followed the request."""
        return Interrupted(self.number or signal.SIGINT)


@contextlib.contextmanager
def interruption(stop: Stop) -> Iterator[None]:
    """Let every signal force a stop."""
    with _handled(lambda number, _: stop.force(number)):
        yield


@contextlib.contextmanager
def gentle_interruption(stop: Stop, first: str) -> Iterator[None]:
    """Let the first signal request a stop and print that, the second force it.

    A terminal that closes sends more than one: they never force it.
    """

    def ask(number: int, _: FrameType | None) -> None:
        if not stop.requested:
            stop.request(number)
            called = CALLED.get(signal.Signals(number), signal.Signals(number).name)
            with contextlib.suppress(OSError):  # nobody may be there to read it
                # Not `print`, which must not be begun again while it is at work.
                os.write(2, f"\n{first} {called} again stops at once.\n".encode())
        elif number != signal.SIGHUP:
            stop.force(number)

    with _handled(ask):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Install a handler of signals; SIGHUP stays ignored if it is, as under nohup."""
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
