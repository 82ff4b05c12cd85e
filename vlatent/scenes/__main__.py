"""Write sentences about colored blocks to a file: `vlatent scenes --help`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from vlatent.command_line import Parser, run
from vlatent.scenes.generation import Complexity, Example, default_corpus, generate
from vlatent.scenes.sentence import Wording
from vlatent.shapes import UserError


def write(
    count: int = 5000,
    complexity: Complexity = "all",
    wording: Wording = "plain",
    seed: int = 0,
    out: Path = Path("data/train.txt"),
    validation: int = 0,
) -> str:
    """Write sentences about colored blocks to a file.

    The sentences differ from one another, and none means the same as one of the fixed
    evaluation sentences. The same arguments always give the same file.

    Args:
        count: How many sentences.
        complexity: Level 1 has 2-3 blocks in a sentence, level 2 has 3-4 and level 3 has 4-6, with
            more colors, shapes and relations; all takes the levels in turn.
        wording: plain uses few words; varied uses synonyms, determiners and conjunctions too.
        seed: Another seed gives other sentences.
        out: The file. `.txt` holds one sentence a line; `.jsonl` one object a line, with the keys
            original, paraphrases, counterfactuals, the kind of each, and scene, the graph.
        validation: How many sentences to write to `validation.txt` (or `.jsonl`) beside the file;
            no sentence in one file means the same as one in the other.

    Returns:
        One line that says what was written and how to use it.

    Raises:
        UserError: If an argument is out of range, the suffix unknown or the folder unwritable.
    """
    beside = out.with_name(f"validation{out.suffix}")
    if out.suffix.lower() not in (".txt", ".jsonl"):
        raise UserError(f"out must end in .txt or .jsonl, but got {str(out)!r:.60}.")
    if validation < 0:
        raise UserError(f"validation must be at least 0, but got {validation=}.")
    if validation and out == beside:
        raise UserError(f"{out} would be both files: give --out another name, such as train.txt.")
    if not validation:
        _write(out, generate(count, complexity, wording, seed))
        next_command = shlex.join(["vlatent", "train", "--data.train", str(out)])
        return f"wrote {count} sentences to {out}; next: {next_command}"
    training, held_out = default_corpus(count, validation, seed, complexity, wording)
    _write(out, training)
    _write(beside, held_out)
    return (
        f"wrote {count} sentences to {out} and {validation} to {beside}; next: "
        f"vlatent train --data.train {shlex.quote(str(out))} --data.validation "
        f"{shlex.quote(str(beside))}"
    )


def _write(path: Path, examples: list[Example]) -> None:
    if path.suffix.lower() == ".jsonl":
        lines = [json.dumps(example.record(), ensure_ascii=False) for example in examples]
    else:
        lines = [example.text for example in examples]
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; choose another place with --out."
        ) from None


def main(arguments: Sequence[str]) -> None:
    """Read the arguments, write the files and say so."""
    parser = Parser(prog="vlatent scenes", description=__doc__)
    parser.add_function_arguments(write)
    print(write(**parser.checked(arguments)))


if __name__ == "__main__":
    run(main)
