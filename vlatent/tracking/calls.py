"""Calls to the store that a line of JSON can hold and that MLflow accepts."""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

Call = dict[str, Any]  # what one line of the journal holds

METRICS_PER_BATCH, VALUES_PER_BATCH = 1000, 100  # MLflow's limits
NAME_LENGTH, PARAM_LENGTH, TAG_LENGTH, DIGEST_LENGTH = 250, 6000, 8000, 36  # MLflow's limits


def send(client: MlflowClient, run_id: str, call: Call) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    match call["call"]:
        case "metrics":
            client.log_batch(run_id, metrics=[Metric(*row) for row in call["rows"]])
        case "params":
            client.log_batch(run_id, params=[Param(*item) for item in call["values"].items()])
        case "tags":
            client.log_batch(run_id, tags=[RunTag(*item) for item in call["values"].items()])
        case "content":
            folder, name = posixpath.split(call["name"])
            with tempfile.TemporaryDirectory() as temporary:
                path = Path(temporary, name)
                path.write_bytes(base64.b64decode(call["base64"]))
                client.log_artifact(run_id, str(path), folder or None)
        case "dataset":
            source = json.dumps({"uri": call["source"]})
            data = Dataset(
                call["name"], call["digest"], "local", source, profile=json.dumps(call["counts"])
            )
            context = InputTag("mlflow.data.context", call["name"])
            client.log_inputs(run_id, [DatasetInput(data, [context])])
        case "end":
            client.set_terminated(run_id, call["status"], call["time"])
        case "run":
            pass  # exists by now


def is_final(error: Exception) -> bool:
    """Whether asking again cannot help, and would only hold up the calls that wait behind."""
    code = getattr(error, "error_code", None)
    return code == "INVALID_PARAMETER_VALUE" or isinstance(error, FileNotFoundError)


def valid(values: Mapping[str, object], length: int) -> dict[str, str]:
    """Parameters or tags as MLflow accepts them."""
    return {valid_name(name): _valid_text(value, length) for name, value in values.items()}


def valid_name(name: str) -> str:
    """The name itself where MLflow accepts it, otherwise one that differs as little as possible."""
    name = re.sub(r"[^\w.\-: /]", lambda match: f"_{ord(match[0]):x}_", name)
    if posixpath.normpath(name) != name or name.startswith(("/", "..")) or name == ".":
        name = "_" + re.sub(r"[/.]", "_", name)  # would be another path, or none
    if len(name) > NAME_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: NAME_LENGTH - 9]}_{digest}"
    return name


def _valid_text(value: object, length: int) -> str:
    """A value as a database can keep it: neither too long nor with characters that it refuses."""
    text = str(value).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"


def milliseconds() -> int:
    return time_ns() // 1_000_000
