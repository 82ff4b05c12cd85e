"""Rows of tables: Parquet files, and the Arrow files that `datasets.save_to_disk` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlatent.corpus.records import BESIDE
from vlatent.shapes import UserError

SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")  # a part of a split, as datasets are published
MAGIC = b"ARROW1"  # of the format that can be read at any place; `save_to_disk` writes the other


def rows(path: Path, key: str, largest: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Every row with its place: the sentence, and what else a record may have.

    Args:
        path: A `.parquet` or `.arrow` file.
        key: The column of the sentences; null counts as blank.
        largest: Most bytes of a file.

    Raises:
        UserError: The file cannot be read, is too large, or has no such column.
    """
    from pyarrow import ArrowException  # MLflow brings it; it takes longer to load than a text

    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UserError(f"{path} is no regular file; write its rows to a file and give that.")
        if size > largest:
            raise UserError(
                f"{path} has {size:,} bytes, but at most {largest:,} are read; give a part of its "
                "rows."
            )
        with path.open("rb") as file:
            for number, row in enumerate(_rows(file, path, key), start=1):
                beside = {name: value for name, value in row.items() if value is not None}
                yield f"{path}, row {number}", {key: ""} | beside
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; give a file that does.") from None
    except (ArrowException, OSError) as error:
        what = str(error).partition("\n")[0]
        raise UserError(
            f"{path} cannot be read as a table ({what:.120}); write it again."
        ) from None


def splits(folder: Path) -> list[Path]:
    """The splits of a dataset on disk, a folder each; [] if this is no dataset of several."""
    if not (folder / "dataset_dict.json").is_file():
        return []
    return sorted(state.parent for state in folder.glob("*/state.json"))


def shards(folder: Path) -> list[Path]:
    """The Arrow files of one split, in their order; [] if `save_to_disk` did not write it.

    Others may lie beside them: what `datasets.map` keeps for the next time.

    Raises:
        UserError: Its list of files is damaged.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / Path(part["filename"]).name for part in state["_data_files"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'state.json'} is damaged ({type(error).__name__}); save the dataset again."
        ) from None


def published_splits(files: list[Path]) -> list[str]:
    """Names of the splits whose parts lie in one folder, such as train-00000-of-00002.parquet."""
    matches = [SHARD.fullmatch(file.stem) for file in files]
    return sorted({match[1] for match in matches if match})


def _rows(file: Any, path: Path, key: str) -> Iterator[dict[str, Any]]:
    from pyarrow import ipc, parquet, types

    if path.suffix.lower() == ".parquet":
        source = parquet.ParquetFile(file)
        schema = source.schema_arrow
    else:
        random_access = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        source = ipc.open_file(file) if random_access else ipc.open_stream(file)
        schema = source.schema
    if key not in schema.names:
        texts = [f.name for f in schema if types.is_string(f.type) or types.is_large_string(f.type)]
        choice = f"choose one: --data.key {texts[0]}" if texts else "none holds texts"
        raise UserError(f"{path} has no column {key!r}, but {', '.join(schema.names)}; {choice}.")
    wanted = [name for name in (key, *BESIDE) if name in schema.names]
    if path.suffix.lower() == ".parquet":
        batches = source.iter_batches(columns=wanted)
    elif random_access:
        batches = (source.get_batch(place) for place in range(source.num_record_batches))
    else:
        batches = iter(source)
    for batch in batches:
        yield from batch.select(wanted).to_pylist()
