"""Configs, flags and corpora spoilt at random: one clear line, or a run with finite numbers.

python tests/fuzz.py --cases 500 --seed 0 runs cases in forked children, each within a limit of
time and memory; it prints how they ended and every one that did not end well, and exits 1 then.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import yaml

ROOT = Path(__file__).parent.parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from ablations.settings import AblationConfig  # noqa: E402
from studies.search import pruner, sampler  # noqa: E402
from studies.settings import StudyConfig  # noqa: E402
from vlatent.command_line import Parser  # noqa: E402
from vlatent.config import Config, GivenConfig, build, flatten, from_yaml, override, to_yaml  # noqa: E402
from vlatent.memory import need  # noqa: E402
from vlatent.preparation import corpus_for, placement  # noqa: E402
from vlatent.run_folders import run_folder  # noqa: E402
from vlatent.scenes.__main__ import main as scenes  # noqa: E402
from vlatent.shapes import UserError  # noqa: E402
from vlatent.step import Diverged  # noqa: E402
from vlatent.tracking import MemoryTracker  # noqa: E402
from vlatent.training import train  # noqa: E402

SECONDS = 120  # of one case: some that are allowed train for half a minute on an idle machine
MEGABYTES = 3_000  # of a child
TOGETHER = 25  # cases in a child

NASTY: list[Any] = [
    *(None, True, "", " ", "nan", math.inf, -math.inf, math.nan, "1e999", -1, 0, 1, 2, 3, 7, 0.5),
    *(-0.0, 1e-300, 1e-8, 1e30, 1e308, 2**31, 2**63, 2**64, 10**9, 10**18, 10**400, 1 << 5000),
    *(
        "1:30",
        "010",
        "0x10",
        "null",
        "word",
        "../x",
        "[/b]",
        "{",
        "*x",
        "é\u2028",
        "a" * 5000,
        "\0",
    ),
    *([], [1], ["a"], {}, {"a": 1}, {"weight": 1}, [[[]]], "2026-01-01", "9" * 5000, "/dev/zero"),
]
CORPUS = [
    *(
        "the red cube is on the blue ball",
        "a green cone",
        "Später fragte niemand.",
        "那只猫",
        "...",
    ),
    *("no", "x² + y² = r²", "one two three four five", "🐙", "a\u2028b", "-", "0", "null", "end"),
]


class Hang(Exception):
    """A case took too long."""


def spoilt(values: Any, rng: random.Random) -> Any:
    """A nested dictionary with one place dropped, added, replaced or moved."""
    if not isinstance(values, dict) or not values or rng.random() < 0.1:
        return rng.choice(NASTY)
    key = rng.choice(list(values))
    changed = dict(values)
    match rng.randrange(6):
        case 0:
            del changed[key]
        case 1:
            changed[rng.choice(["weight", "steps", "on", "3", "config", "class_path", key])] = (
                rng.choice(NASTY)
            )
        case 2:
            changed[key] = rng.choice(NASTY)
        case _:
            changed[key] = spoilt(values[key], rng)
    return changed


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes with a flip, a cut, a repetition, another encoding or something from elsewhere."""
    at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    foreign = [
        b"\0",
        b"\xff",
        b"\t",
        b"\r",
        b"&x [*x]",
        b": ",
        b"- ",
        b"[" * 2000,
        b"{",
        b"'",
        b"#",
    ]
    text = content.decode(errors="replace")
    return rng.choice(
        [
            content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :],
            content[:at],
            content[:at] + content[at:end] * 2 + content[end:],
            content[:at] + content[end:],
            content[:at] + rng.choice(foreign) + content[at:],
            text.encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])),
            text.encode("latin-1", "replace"),
            content.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b""])),
        ]
    )


def flags(rng: random.Random) -> list[str]:
    """Some flags, of which one has an odd value."""
    groups = ["encoder", "priors", "priors.spectrum", "terms", "training", "data", "study"]
    name = rng.choice([*flatten(Config()), *groups])
    value = rng.choice(NASTY)
    text = f"{value}" if not isinstance(value, int) or value < 10**50 else "9" * 5000
    return [f"--{name}={text}".replace("\0", "")]


def write_config(folder: Path, rng: random.Random) -> Path:
    name = rng.choice(["smoke", "smoke", "quick", "meaning", "full"])
    content = (ROOT / "configs" / f"{name}.yaml").read_bytes()
    known = yaml.safe_load(content)
    everything = {"data": {}, "priors": {}, "terms": {"on": "coarse"}} | known
    for key, value in flatten(Config()).items():
        group, leaf = key.split(".")[:2]
        if rng.random() < 0.2 and key.count(".") == 1 and group in everything:
            everything[group].setdefault(leaf, value)
    path = folder / "config.yaml"
    if rng.random() < 0.7:
        for _ in range(rng.choice([1, 1, 2])):
            everything = spoilt(everything, rng)
        sys.set_int_max_str_digits(0)  # to write numbers that nobody can read
        content = yaml.safe_dump(everything, allow_unicode=True).encode("utf-8", "replace")
        sys.set_int_max_str_digits(4300)
    if rng.random() < 0.4:
        content = damaged(content, rng)
    path.write_bytes(content)
    return path


def write_corpus(folder: Path, rng: random.Random) -> Path:
    texts = [f"{rng.choice(CORPUS)} {number}" for number in range(rng.choice([1, 2, 12, 40]))]
    if rng.random() < 0.2:
        texts[0] = rng.choice(["x" * 3_000_000, "a b " * 10**6, "", "\0", "\ufeff", "same"])
    suffix = rng.choice([".txt", ".txt", ".jsonl", ".TXT", ".JSONL", ".csv"])
    path = folder / f"corpus{suffix}"
    content = "\n".join(texts).encode()
    if suffix.lower() == ".jsonl":
        records: list[Any] = [
            {"original": t, "paraphrases": [f"p {t}"], "counterfactuals": [f"c {t}"]} for t in texts
        ]
        records[0] = spoilt(records[0], rng) if rng.random() < 0.5 else records[0]
        sys.set_int_max_str_digits(0)
        content = "\n".join(json.dumps(record) for record in records).encode()
        sys.set_int_max_str_digits(4300)
    if rng.random() < 0.5:
        content = damaged(content, rng)
    if rng.random() < 0.03:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    return path


@lru_cache(maxsize=1)
def parser_of_all() -> Parser:
    parser = Parser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(GivenConfig, nested_key=None)
    parser.add_class_arguments(StudyConfig, nested_key="study")
    parser.add_class_arguments(AblationConfig, nested_key="ablation")
    return parser


def run_case(folder: Path, cache: Path, rng: random.Random) -> str:
    """One case; says how it ended, or raises what should not have happened."""
    if rng.random() < 0.08:
        return run_scenes(folder, rng)
    path = write_config(folder, rng) if rng.random() < 0.7 else ROOT / "configs" / "smoke.yaml"
    arguments = ["--config", str(path)]
    if rng.random() < 0.5:
        arguments += ["--data.train", str(write_corpus(folder, rng))]
    if rng.random() < 0.4:
        arguments += flags(rng)
    arguments += ["--data.cache", str(cache)]
    parser = parser_of_all()
    before = sorted(folder.rglob("*"))
    try:
        values = parser.checked(arguments)
        config = build(values)
        sampler(values["study"], {}, 0)
        pruner(values["study"], config.training.steps)
        placement(config.training)
        corpus = corpus_for(config)
    except UserError as error:
        assert_clear(error)
        assert sorted(folder.rglob("*")) == before, "something was written"
        return "refused"
    assert from_yaml(to_yaml(config)) == config, "read back otherwise"
    size = need(config.encoder, corpus.vocabulary_size, 64)
    if size.parameters > 10**6 or size.sentence * config.training.batch_size > 10**8:
        return "accepted"
    here = {
        "training.steps": min(config.training.steps, 2),
        "training.folder": folder / "run",
        "training.batch_size": min(config.training.batch_size, 16),
        "evaluation.count": 3,
        "evaluation.sentences": min(config.evaluation.sentences, 16),
        "evaluation.probed": min(config.evaluation.probed, 16),
        "evaluation.retrieved": min(config.evaluation.retrieved, 16),
        "tracking.figures": False,
        "training.compile": False,
        "training.resume": None,
    }
    tracker = MemoryTracker()
    try:
        config = override(config, here)
        run_folder(config.training)
        result = train(config, tracker)
    except UserError as error:
        raise AssertionError(f"refused after the start: {error}") from None
    except Diverged as error:
        assert_clear(error)
        return "diverged"
    assert math.isfinite(result.score), "the score is not finite"
    for name, series in tracker.history.items():
        assert all(map(math.isfinite, series.values())), f"{name} is not finite"
    return "trained"


def run_scenes(folder: Path, rng: random.Random) -> str:
    """Sentences of blocks, with an odd argument."""
    name = rng.choice(["count", "complexity", "wording", "seed", "out", "validation"])
    value = f"{rng.choice([each for each in NASTY if each != 1 << 5000])}".replace("\0", "")
    arguments = ["--count", "3", f"--{name}", value]
    if name != "out":
        arguments += ["--out", rng.choice(["a.txt", "a.jsonl", "A.TXT", "a.csv", "a"])]
    before = sorted(folder.rglob("*"))
    try:
        scenes(arguments)
    except UserError as error:
        assert_clear(error)
        assert sorted(folder.rglob("*")) == before, "something was written"
        return "refused"
    return "written"


def assert_clear(error: Exception) -> None:
    said = str(error)
    assert said, "nothing is said"
    assert "\n" not in said, f"more than a line: {said[:300]!r}"
    assert len(said) < 1_200, f"{len(said)} characters: {said[:200]}"
    assert "functools" not in said, said
    assert "<class" not in said, said


def run_limited(seed: int, number: int, cache: Path) -> tuple[str, str]:
    """How a case ended, and what is wrong with that."""

    def late(signal_number: int, frame: FrameType | None) -> None:
        raise Hang

    rng, here = random.Random(f"{seed}/{number}"), Path.cwd()
    old = signal.signal(signal.SIGALRM, late)
    try:
        with tempfile.TemporaryDirectory() as place, Path(os.devnull).open("w") as nowhere:
            os.chdir(place)
            out, sys.stdout = sys.stdout, nowhere
            signal.alarm(SECONDS)
            try:
                with warnings.catch_warnings(action="ignore"):
                    return run_case(Path(place), cache, rng), ""
            finally:
                signal.alarm(0)
                sys.stdout = out
                os.chdir(here)
    except Hang:
        return "hang", f"more than {SECONDS} s"
    except BaseException as error:
        kind = "wrong" if isinstance(error, AssertionError) else "traceback"
        lines = traceback.format_exc().strip().splitlines()
        return kind, " | ".join(line.strip() for line in lines[-6:])[:1500]
    finally:
        signal.signal(signal.SIGALRM, old)


def run_batch(seed: int, numbers: list[int], cache: Path, say: Callable[[str], None]) -> None:
    """Cases one after the other, in a child; what it says is read by its parent."""
    torch.set_num_threads(1)
    for number in numbers:
        say(json.dumps([number, "begun", ""]))
        ended, wrong = run_limited(seed, number, cache)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if used > MEGABYTES and not wrong:
            ended, wrong = "memory", f"{used} MB"
        say(json.dumps([number, ended, wrong]))
        if used > MEGABYTES:
            return  # the mark never falls again, so the next cases need a new child


def in_a_child(seed: int, numbers: list[int], cache: Path) -> dict[int, tuple[str, str]]:
    """The same, whatever the child dies of."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        run_batch(seed, numbers, cache, lambda line: void(os.write(writer, f"{line}\n".encode())))
        os._exit(0)
    os.close(writer)
    ends: dict[int, tuple[str, str]] = {}
    begun = None
    previous = signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    with os.fdopen(reader) as lines:
        for line in lines:
            number, ended, wrong = json.loads(line)
            if ended == "begun":
                begun = number
                signal.alarm(2 * SECONDS)  # of code that never returns to Python
            else:
                ends[number] = (ended, wrong)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
    _, status = os.waitpid(child, 0)
    if status and begun is not None and begun not in ends:
        ends[begun] = ("died", f"status {status}")
    return ends


def void(_: object) -> None:
    """Nothing of it."""


def fuzz(cases: int, seed: int, cache: Path) -> dict[int, tuple[str, str]]:
    """All cases by number: how each ended, and what is wrong with that."""
    ends: dict[int, tuple[str, str]] = {}
    torch.set_num_threads(1)
    parser_of_all()
    smoke = from_yaml((ROOT / "configs" / "smoke.yaml").read_text(encoding="utf-8"))
    corpus_for(override(smoke, {"data.cache": cache}))  # which the children need not make again
    while len(ends) < cases:
        left = [number for number in range(cases) if number not in ends][:TOGETHER]
        found = in_a_child(seed, left, cache)
        assert found, "a child died before its first case"
        ends |= found
        for number, (ended, wrong) in found.items():
            if wrong:
                print(f"case {number} (--seed {seed} --only {number}): {ended}: {wrong}")
        print(
            f"{len(ends)}/{cases}", dict(Counter(ended for ended, _ in ends.values())), flush=True
        )
    return ends


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="Run one case here, with its traceback.")
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if given.only is not None:
            print(*run_limited(given.seed, given.only, Path(folder)), sep="\n")
            return 0
        ends = fuzz(given.cases, given.seed, Path(folder))
    failed = sum(bool(wrong) for _, wrong in ends.values())
    print(f"{len(ends)} cases, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
