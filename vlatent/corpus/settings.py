"""Where sentences come from and how they become tokens: the settings of a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlatent.bounds import require_bounds
from vlatent.corpus.records import Split
from vlatent.shapes import UserError


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the sentences come from and how they become tokens.

    Attributes:
        train: Training sentences: a UTF-8 file, `.txt` with one a line or `.jsonl` with one object
            a line, a `.parquet` file, a folder of such files, or a split that
            `datasets.save_to_disk` wrote. null makes 5,000 sentences about colored blocks and 500
            for validation.
        validation: Validation sentences, likewise. null holds a tenth of the training sentences
            out, 500 at most, chosen by content.
        key: What the sentence is called in an object of `.jsonl`, or its column in a table.
        split: `sentence` takes what is in a file for running text and cuts its paragraphs into
            sentences; `line` takes each line, object or row for one.
        duplicates: `drop` leaves out repeated sentences, and held-out ones that training has.
        tokenizer: Name or folder of a Hugging Face tokenizer. null trains a byte-level BPE on the
            training sentences.
        vocabulary: Most entries that the trained BPE may have.
        max_length: Most tokens in a sentence; what is beyond is cut off.
        cache: Folder for trained tokenizers. null is `vlatent` in the user's cache folder.
        unseen: Keep some blocks, relations and verbs out of the generated training sentences, and
            judge on sentences that have them too: the splits `compositional` and `wording`.
    """

    train: Path | None = None
    validation: Path | None = None
    key: str = "original"
    split: Split = "line"
    duplicates: Literal["keep", "drop"] = "keep"
    tokenizer: str | None = None
    vocabulary: int = 8192
    max_length: int = 64
    cache: Path | None = None
    unseen: bool = False

    def __post_init__(self) -> None:
        if self.unseen and self.train is not None:
            raise UserError(
                f"data.unseen holds combinations of generated sentences out, but data.train is "
                f"{self.train}: set --data.unseen false, and give what is held out in "
                "--data.validation, or a tenth is."
            )
        least = {"vocabulary": 258, "max_length": 1}  # 256 bytes, padding and the end
        require_bounds("data", self, least, most={"vocabulary": 10**6, "max_length": 10**6})
