"""Importing the library changes nothing in its host process; commands set up their own."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import vlatent

ROOT = Path(__file__).parents[1]

# What `process_state.state` says of them.
UNTOUCHED, PREPARED = [1, None, True], [0, "passive", False]


def output(arguments: Sequence[str], *folders: Path) -> str:
    path = os.pathsep.join(map(str, (*folders, ROOT, ROOT / "tests" / "helpers")))
    variables = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "COVERAGE")}
    return subprocess.run(
        [sys.executable, *arguments],
        env=variables | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
        # Not ignored, as it is in what a shell has begun in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ).stdout


def printed(code: str, *folders: Path) -> object:
    return json.loads(output(["-c", code], *folders).splitlines()[-1])


def test_import_brings_nothing_along_and_changes_nothing() -> None:
    code = (
        "import sys, json\nfrom process_state import state\n"
        "before = set(sys.modules)\nimport vlatent\n"
        "print(json.dumps([state(), sorted(set(sys.modules) - before)]))"
    )
    found = printed(code)
    assert isinstance(found, list)
    assert found[0] == UNTOUCHED
    packages = {name.partition(".")[0] for name in found[1]}
    assert packages - sys.stdlib_module_names == {"vlatent"}


def test_a_program_that_uses_the_rooms_keeps_its_process(tmp_path: Path) -> None:
    """Also while `python -m` still looks for the program's own module."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "__init__.py").write_text(
        "import vlatent, studies, ablations, analysis\n", encoding="utf-8"
    )
    (tmp_path / "host" / "studies.py").write_text(
        "import json\nfrom process_state import state\nprint(json.dumps(state()))\n",
        encoding="utf-8",
    )
    assert json.loads(output(["-m", "host.studies"], tmp_path)) == UNTOUCHED


@pytest.mark.parametrize(
    "module", ["vlatent", "studies", "ablations", "analysis", "vlatent.scenes"]
)
def test_a_command_sets_up_its_process(module: str, tmp_path: Path) -> None:
    """Seen by a hook that Python runs at the start, before the command: when it comes to torch."""
    (tmp_path / "sitecustomize.py").write_text(
        "import json, os, sys\nfrom process_state import state\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('torch', 'vlatent.runtime.streams'):\n"
        "            os.write(1, json.dumps(state()).encode())\n"
        "            os._exit(0)\n"
        "sys.meta_path.insert(0, Finder())\n",
        encoding="utf-8",
    )
    assert json.loads(output(["-m", module, "--help"], tmp_path)) == PREPARED


def test_commands_start_without_what_only_some_of_them_need() -> None:
    """Each of these takes a second or more, in every process that a command or a test starts."""
    code = (
        "import json, sys\n"
        "import vlatent.commands, studies.loss_weights, ablations.suite, studies.__main__\n"
        "import ablations.__main__, analysis.__main__\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    found = set(map(str, printed(code)))  # type: ignore[call-overload]
    assert "optuna" in found
    late = {"mlflow", "transformers", "matplotlib", "PIL", "sklearn", "pandas", "ray"}
    assert found & late == set()


def test_public_names_are_there() -> None:
    tree = ast.parse((ROOT / "vlatent" / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        (str(node.module), alias.name)
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {(f"vlatent.{home}", name) for name, home in vlatent._HOME.items()}
    for home, name in typed:
        assert getattr(vlatent, name) is getattr(sys.modules[home], name)
        assert name in dir(vlatent)
    with pytest.raises(AttributeError, match="no attribute 'Spectre'"):
        _ = vlatent.Spectre  # type: ignore[attr-defined]


def needed(*roots: str) -> set[str]:
    """The distributions that these need, and they themselves."""
    names: set[str] = set()
    wanted = list(roots)
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        try:
            lines = (
                [Requirement(line) for line in requires(name) or []] if name not in names else []
            )
        except PackageNotFoundError:  # of another system
            lines = []
        names.add(name)
        wanted += [line.name for line in lines if not line.marker or line.marker.evaluate()]
    return names


def test_encoder_priors_and_terms_need_torch_and_numpy_alone() -> None:
    allowed = needed("torch", "numpy")
    blocked = {
        package
        for package, owners in packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & allowed
    } - {"vlatent", "studies", "ablations", "analysis"}
    assert {"jaxtyping", "jsonargparse", "yaml", "scipy", "mlflow"} <= blocked
    code = f"""
import sys, json
class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {sorted(blocked)}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
import torch
from vlatent import Encoder, EncoderConfig
from vlatent.priors import Priors, Spectrum
from vlatent.terms import Terms
latent = Encoder(EncoderConfig(height=16, width=16), 100)(
    torch.ones(2, 5, dtype=torch.int64), torch.zeros(2, 5, dtype=torch.bool)
)
penalties = [float(prior.penalty(latent)) for _, prior in Priors()]
print(json.dumps([list(latent.shape), len(penalties), Spectrum().alpha]))
"""
    assert printed(code) == [[2, 16, 16, 6], 7, 2.0]
