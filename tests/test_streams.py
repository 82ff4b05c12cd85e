"""Output that nobody reads, that has no room, or whose letters cannot be shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("streams", sys.argv[1])
streams = module_from_spec(spec)
spec.loader.exec_module(streams)
streams.outlast_readers()
for _ in range(100):
    print("α − 1" * 1000, flush=True)
sys.exit(7)
"""
STREAMS = (
    Path(__file__).parent.parent / "vlatent" / "runtime" / "streams.py"
)  # alone: no torch is needed


def printed(redirection: str) -> subprocess.CompletedProcess[str]:
    command = f'"$0" -c "$1" "$2" {redirection}; exit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, PROGRAM, str(STREAMS)],
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("redirection", "out", "err"),
    [
        ("| head -1 | cut -c -13", "\\u03b1 \\u2212\n", ""),
        ("> /dev/full", "", "warning: what is printed is lost (No space left on device); the work"),
        (">&-", "", ""),
        ("2>&1 > /dev/full | true", "", ""),
    ],
)
def test_what_cannot_be_printed_costs_nothing(redirection: str, out: str, err: str) -> None:
    done = printed(redirection)
    assert done.returncode == 7
    assert done.stdout == out
    assert done.stderr.startswith(err)
    assert len(done.stderr.splitlines()) == bool(err)
