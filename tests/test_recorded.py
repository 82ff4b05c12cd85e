"""The record of a run is closed once, with the right status, however its work ends."""

from __future__ import annotations

import signal

import pytest

from vlatent.runtime.interruption import Interrupted, Stop, interruption
from vlatent.tracking import Status, recorded, traceback_of


class Record:
    """What was written, in order; `faults` are raised by the closings, one after the other."""

    def __init__(self, *faults: BaseException | None) -> None:
        self.faults = list(faults)
        self.written: list[str] = []

    def end(self, status: Status, error: BaseException | None) -> None:
        self.written.append(status)
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "FINISHED"),
        (KeyboardInterrupt(), "KILLED"),
        (LookupError(), "KILLED"),
        (KeyError(), "KILLED"),  # of the same family
        (RuntimeError(), "FAILED"),
        (SystemExit(3), "FAILED"),
    ],
)
def test_every_end_closes_the_record_once(error: BaseException | None, status: str) -> None:
    record, errors = Record(), []

    def end(begun: Record, status: Status, error: BaseException | None) -> None:
        errors.append(error)
        begun.end(status, error)

    def work() -> None:
        with recorded(Stop(), lambda: record, end, (KeyboardInterrupt, LookupError)) as begun:
            assert begun is record
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)) as raised:
            work()
        assert raised.value is error
    assert record.written == [status]
    assert errors == [error]


def test_a_result_that_cannot_be_written_ends_the_record_as_failed() -> None:
    record, fault = Record(OSError("no room")), RuntimeError("of the work")
    with pytest.raises(OSError, match="no room"), recorded(Stop(), lambda: record, Record.end):
        pass
    assert record.written == ["FINISHED", "FAILED"]
    record = Record(OSError("no room"))
    with pytest.raises(OSError, match="no room"), recorded(Stop(), lambda: record, Record.end):
        raise fault
    assert record.written == ["FAILED"]


def test_what_cannot_be_begun_is_not_closed() -> None:
    def begin() -> Record:
        raise OSError("no store")

    with pytest.raises(OSError, match="no store"), recorded(Stop(), begin, Record.end):
        pytest.fail("nothing has begun")


@pytest.mark.parametrize("place", ["begin", "work", "end"])
def test_a_signal_closes_the_record_and_is_never_lost(place: str) -> None:
    record, stop = Record(), Stop()

    def here(name: str) -> None:
        if name == place:
            signal.raise_signal(signal.SIGTERM)

    def begin() -> Record:
        here("begin")
        record.written.append("begun")
        return record

    def end(begun: Record, status: Status, error: BaseException | None) -> None:
        here("end")
        begun.end(status, error)

    def work() -> None:
        with interruption(stop), recorded(stop, begin, end):
            here("work")
            record.written.append("worked")

    if place == "end":  # nothing is left to be stopped
        work()
        assert record.written == ["begun", "worked", "FINISHED"]
        assert (stop.requested, stop.number) == (True, signal.SIGTERM)
    else:
        with pytest.raises(Interrupted) as interrupted:
            work()
        assert interrupted.value.number == signal.SIGTERM
        assert record.written == ["begun", "KILLED"]


def test_only_failed_runs_keep_a_traceback() -> None:
    with pytest.raises(ValueError, match="of the work") as raised:
        raise ValueError("of the work")
    assert traceback_of("KILLED", raised.value) is None
    failed = traceback_of("FAILED", raised.value)
    assert failed is not None
    assert failed.startswith("Traceback")
    assert failed.endswith("ValueError: of the work\n")
    assert "raise ValueError" in failed
    assert traceback_of("FINISHED", None) is None
