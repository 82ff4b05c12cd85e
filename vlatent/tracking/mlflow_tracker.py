"""The tracker that keeps a run in MLflow."""

from __future__ import annotations

import base64
import logging
import math
from collections.abc import Mapping
from time import monotonic

from vlatent.runtime.addresses import shown
from vlatent.tracking.calls import (
    DIGEST_LENGTH,
    METRICS_PER_BATCH,
    PARAM_LENGTH,
    TAG_LENGTH,
    VALUES_PER_BATCH,
    Call,
    is_final,
    milliseconds,
    send,
    valid,
    valid_name,
)
from vlatent.tracking.journal import Journal
from vlatent.tracking.store import client_of, make_run, quiet, reason
from vlatent.tracking.tracker import Status

logger = logging.getLogger(__name__)

ERROR_LENGTH = 250

# An attempt on a dead store lasts as long as its timeouts, and one on a store that is back as long
# as there is much to deliver. Leaving the store alone for so many times as long afterwards bounds
# what both cost to 5 % of the training time.
PATIENCE, SHORTEST_WAIT, LONGEST_DELIVERY = 20, 5.0, 2.0


class MlflowTracker:
    """Keeps a run in MLflow; made by `open_run` and `reopen_run`.

    Metrics are sent at the next flush, everything else at once. While the store does not answer,
    all of it waits in the journal.
    """

    def __init__(self, address: str, run: Call, journal: Journal) -> None:
        self._address = address
        self._run = run  # the journal's first line: enough to find the run, or to make it
        self._journal = journal
        self._rows: list[tuple[str, float, int, int]] = []  # name, value, time, step
        self._params: dict[str, str] = {}
        self._recorded: set[tuple[str, int]] = set()  # name and step of rows of an earlier process
        self._latest: dict[str, int] = {}  # step of the last row of every name
        self._next_attempt = 0.0
        self._warned: set[str] = set()

    @property
    def run_id(self) -> str | None:
        """MLflow's name of the run; None while a patient run has not met its store."""
        run_id: str | None = self._run["run_id"]
        return run_id

    def params(self, values: Mapping[str, object]) -> None:
        texts = valid(values, PARAM_LENGTH)
        changed = {k: v for k, v in texts.items() if self._params.get(k, v) != v}
        new = {k: v for k, v in texts.items() if k not in self._params}
        self._params |= new
        self._values("params", new)
        # MLflow never changes a parameter, and for one that differs it refuses the whole batch:
        # what a study that goes on with more trials has changed is told by tags.
        self.tags({f"changed.{k}": v for k, v in changed.items()})

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        now = milliseconds()
        for key, value in values.items():
            name = valid_name(key)
            if (name, step) not in self._recorded and self._latest.get(name) != step:
                self._latest[name] = step
                self._rows.append((name, float(value), now, step))

    def tags(self, values: Mapping[str, object]) -> None:
        self._values("tags", valid(values, TAG_LENGTH))

    def note(self, markdown: str) -> None:
        self.tags({"mlflow.note.content": markdown})

    def text(self, name: str, content: str) -> None:
        self._content(name, content.encode("utf-8", "backslashreplace"))

    def figure(self, name: str, png: bytes) -> None:
        self._content(f"figures/{name}.png", png)

    def dataset(self, name: str, fingerprint: str, source: str, counts: Mapping[str, int]) -> None:
        call: Call = {"call": "dataset", "name": name, "source": source, "counts": dict(counts)}
        self._submit(call | {"digest": fingerprint[:DIGEST_LENGTH]})

    def flush(self) -> None:
        while rows := self._rows[:METRICS_PER_BATCH]:
            self._submit({"call": "metrics", "rows": rows})
            del self._rows[: len(rows)]  # afterwards: an interruption sends them again, at worst
        if self._journal.exists() and monotonic() >= self._next_attempt:
            self._catch_up()

    def close(self, status: Status, error: str | None = None) -> None:
        self._next_attempt = math.inf  # what waits is delivered below, all at once
        self.flush()
        if error:
            error = shown(error)
            self.text("traceback.txt", error)
            self.tags({"error": error.strip().rpartition("\n")[2][:ERROR_LENGTH]})
        self._submit({"call": "end", "status": status, "time": milliseconds()})
        if self._journal.exists():
            self._catch_up(math.inf)
        if self._journal.exists():
            self._warn(
                "end",
                f"run {self._run['name']!r} has ended before its store was back; what is still "
                f"to be delivered stays in {self._journal.path}",
            )
            self._journal.release()

    def _values(self, call: str, values: Mapping[str, str]) -> None:
        items = list(values.items())
        for start in range(0, len(items), VALUES_PER_BATCH):
            self._submit({"call": call, "values": dict(items[start : start + VALUES_PER_BATCH])})

    def _content(self, name: str, content: bytes) -> None:
        encoded = base64.b64encode(content).decode("ascii")
        self._submit({"call": "content", "name": name, "base64": encoded})

    def _submit(self, call: Call) -> None:
        """Send a call, or let it wait behind those that could not be sent."""
        if self._journal.exists():
            self._keep(call)
            if monotonic() >= self._next_attempt:
                self._catch_up()
            return
        started = monotonic()
        try:
            self._send(call)
        except Exception as error:
            self._failed(error, started)
            self._keep(*([self._run] if call is self._run else [self._run, call]))

    def _catch_up(self, seconds: float = LONGEST_DELIVERY) -> int:
        """Send what waits, as far as store and time allow; returns how many calls that were."""
        sent = 0
        begun = started = monotonic()
        try:
            for call in self._journal.waiting():
                started = monotonic()
                if started - begun > seconds:
                    self._leave_alone(started - begun)
                    return sent
                self._send(call)
                self._journal.delivered += 1
                sent += 1
        except Exception as error:
            self._failed(error, started)
        else:
            self._journal.remove()
        return sent

    def _send(self, call: Call) -> None:
        """Hand one call to the store; raises when it is to be handed over again later."""
        with quiet():
            client = client_of(self._address)
            if self._run["run_id"] is None:
                self._run["run_id"] = make_run(client, self._address, self._run)
            try:
                send(client, self._run["run_id"], call)
            except Exception as error:
                if not is_final(error):
                    raise
                refused = f"run {self._run['name']!r} cannot keep {call['call']}: {reason(error)}"
                self._warn(call["call"], refused)

    def _keep(self, *calls: Call) -> None:
        try:
            self._journal.append(*calls)
        except OSError as error:
            self._warn("journal", f"measurements are lost, {self._journal.path}: {error.strerror}")

    def _failed(self, error: Exception, started: float) -> None:
        self._leave_alone(monotonic() - started)
        self._warn(
            "store",
            f"{shown(self._address)} fails ({reason(error)}); measurements wait in "
            f"{self._journal.path} and are delivered when it is back",
        )

    def _leave_alone(self, spent: float) -> None:
        self._next_attempt = monotonic() + max(SHORTEST_WAIT, PATIENCE * spent)

    def _warn(self, subject: str, message: str) -> None:
        if subject not in self._warned:
            self._warned.add(subject)
            logger.warning("tracking: %s", message)
