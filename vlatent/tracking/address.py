"""The address of the store, and the commands and settings that name it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from vlatent.runtime.addresses import (
    check_address,
    file_of,
    file_url,
    is_file,
    shown,
    without_password,
)
from vlatent.tracking.tracker import TrackingConfig

DEFAULT = "sqlite:///mlflow.db"


def address_of(tracking: TrackingConfig) -> str:
    """The store's address, the same in whichever directory it is used."""
    uri = tracking.uri
    if uri is None:
        uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT  # MLflow, too, takes empty for unset
    if uri.startswith(("sqlite", "postgresql")):
        check_address("MLFLOW_TRACKING_URI" if tracking.uri is None else "tracking.uri", uri)
    return file_url(file_of(uri)) if is_file(uri) else uri.rstrip("/")


def home(address: str) -> Path:
    """The folder in which a database lies, or that stands in for it."""
    return file_of(address).parent if is_file(address) else Path.cwd()


def setting_of(address: str) -> str:
    """The setting that names the store: what the user has to correct."""
    variable = "MLFLOW_TRACKING_URI"
    by_default = address == address_of(TrackingConfig())
    return variable if os.environ.get(variable) and by_default else "tracking.uri"


def is_server(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def uri_flag(tracking: TrackingConfig) -> str:
    """The flag for a command that is to read the same store; empty where none is needed."""
    if tracking.uri is None:
        return ""
    return f" --tracking.uri {shlex.quote(without_password(tracking.uri))}"


def view_command(tracking: TrackingConfig) -> str:
    """The command that shows the runs, or the address of the server."""
    address = address_of(tracking)
    if is_server(address):
        return shown(address)
    # A bare `mlflow ui` shows ./mlflow.db whatever MLFLOW_TRACKING_URI says, unless there are old
    # files in ./mlruns: they take precedence.
    bare = address == address_of(TrackingConfig(uri=DEFAULT))
    if bare and not any(Path("mlruns").glob("[0-9]*/meta.yaml")):
        return "mlflow ui"
    return f"mlflow ui --backend-store-uri {shlex.quote(without_password(address))}"
