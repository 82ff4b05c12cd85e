"""What signals mean: a request or at once, held back from run records, ignored under nohup."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from vlatent.runtime.interruption import Interrupted, Stop, gentle_interruption, interruption

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_a_shield_holds_one_signal_back_and_not_two() -> None:
    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        stop.force()
    with stop.shield():
        stop.check()  # nothing was forced yet
        stop.force()
        with pytest.raises(KeyboardInterrupt):
            stop.force()
    with pytest.raises(KeyboardInterrupt):
        stop.check()


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """No signal is ignored, as SIGHUP would be where the tests themselves run under nohup."""
    before = [(number, signal.signal(number, signal.SIG_DFL)) for number in ALL]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ALL)
def test_every_signal_ends_a_command(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interruption(Stop()), pytest.raises(Interrupted) as interrupted:
        signal.raise_signal(number)
    assert interrupted.value.number == number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", ALL)
def test_the_first_signal_is_printed_and_the_second_forces(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = Stop()
    with gentle_interruption(stop, "Ending."):
        signal.raise_signal(number)
        assert (stop.requested, stop.number) == (True, number)
        said = "Ctrl-C" if number == signal.SIGINT else number.name
        assert capfd.readouterr().err == f"\nEnding. {said} again stops at once.\n"
        signal.raise_signal(signal.SIGHUP)  # terminals that close send it twice
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = Stop()
    try:
        with interruption(stop), gentle_interruption(stop, "Ending."):
            signal.raise_signal(signal.SIGHUP)
        assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_who_is_given_a_parent_watches_it() -> None:
    assert not Stop().requested
    assert Stop(parent=1 << 22).requested
