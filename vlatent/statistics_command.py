"""`vlatent statistics`: measure anybody's latents beside photographs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from vlatent import checkpoints
from vlatent.command_line import Parser
from vlatent.console import console, empty_table, progress_display
from vlatent.evaluation.latents import LatentStatistics, chunk_size, latent_statistics
from vlatent.latent_files import LatentFile, open_latents
from vlatent.shapes import Latents, UserError
from vlatent.spectra import log_curve, reference_curve
from vlatent.version import VERSION


def main(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog="vlatent statistics",
        description="Measure latents of any kind, every statistic with its 95 % interval, beside "
        "what photographs have. Reads .npy, .npz, .safetensors, .pt (tensors only, no pickle) or a "
        "folder of images of one size. "
        "Example: vlatent statistics latents.npz --channels_first --json latents.json",
    )
    parser.add_argument("latents", type=Path, metavar="LATENTS", help="The file, or the folder.")
    parser.add_argument("--key", type=str, help="Name of the array, if the file has several.")
    parser.add_argument(
        "--channels_first",
        action="store_true",
        help="Axes are [batch, channel, height, width] (or channel, frame, height, width).",
    )
    parser.add_argument(
        "--channels_last",
        action="store_true",
        help="Axes are [batch, height, width, channel], even if they look otherwise; the default.",
    )
    parser.add_argument("--json", type=Path, help="File for everything that was measured.")
    parser.add_argument(
        "--figure", type=Path, help="PNG file; default: NAME.statistics.png in this folder."
    )
    given = parser.checked(arguments)
    first, last = given["channels_first"], given["channels_last"]
    if first and last:
        raise UserError("channels come first or last: omit --channels_first or --channels_last.")
    path: Path = given["latents"]
    file = open_latents(path, given["key"], True if first else False if last else None)
    with progress_display() as progress:
        chunks = file.chunks(chunk_size(*file.shape[1:]))
        found = latent_statistics(_advancing(chunks, file.shape[0], progress), file.shape)
    from vlatent.figures.latents import latents_figure  # matplotlib takes half a second

    console.print(_table(file, found))
    for line in _lines(found):
        console.print(line)
    figure: Path = given["figure"] or Path(f"{path.resolve().stem}.statistics.png")
    checkpoints.write(figure, latents_figure(file.name, found))
    written = [f"{figure}"]
    if given["json"] is not None:
        checkpoints.write(given["json"], json.dumps(_finite(_record(file, found)), indent=1) + "\n")
        written.append(f"{given['json']}")
    console.print(f"Written: {', '.join(written)}", soft_wrap=True)
    return 0


def _advancing(chunks: Iterable[Latents], total: int, progress: Progress) -> Iterator[Latents]:
    bar = progress.add_task("measuring latents", total=total)
    for chunk in chunks:
        yield chunk
        progress.advance(bar, len(chunk))


def _table(file: LatentFile, found: LatentStatistics) -> Table:
    count, height, width, channels = found.shape
    title = f"{file.name}: {count:,} latents of {height} x {width} x {channels}"
    table = empty_table(title, "statistic", "value [95 % interval]", "photographs", "")
    for row in found.rows:
        inside = Text("inside", "green") if row.inside else Text("outside", "bold red")
        table.add_row(
            row.statistic.label, row.measured, row.wanted, "" if row.inside is None else inside
        )
    return table


def _lines(found: LatentStatistics) -> list[str]:
    """What the table does not say."""
    channels = found.shape[-1]
    lines = [
        f"{found.channels_in_band} of {channels} channels have a mean spectrum that falls as in "
        "photographs."
    ]
    judged = [row for row in found.rows if row.inside is not None]
    outside = [row.statistic.label for row in judged if not row.inside]
    if outside:
        lines.append(f"Unlike photographs: {', '.join(outside)}.")
    elif judged:
        lines.append(f"Like photographs in all {len(judged)} statistics that stand beside theirs.")
    if found.flat:
        lines.append(f"Constant channels: {', '.join(map(str, found.flat))}.")
    return lines + found.notes


def _record(file: LatentFile, found: LatentStatistics) -> dict[str, object]:
    """Everything that was measured; `reference` is what priors.spectrum.reference takes."""
    count, height, width, channels = found.shape
    return {
        "vlatent": VERSION,
        "latents": file.name,
        "count": count,
        "height": height,
        "width": width,
        "channels": channels,
        "channels_first": bool(file.channels_first),
        "channels_in_band": found.channels_in_band,
        "constant_channels": found.flat,
        "statistics": {
            row.statistic.name: {
                "label": row.statistic.label,
                "value": row.value,
                "low": row.low,
                "high": row.high,
                "channels": row.channels,
                "photographs": row.photographs,
                "inside": row.inside,
            }
            for row in found.rows
        },
        "log_power": log_curve(found.power).tolist(),
        "reference": reference_curve(found.power),
        "correlation": found.correlation.tolist(),
        "notes": found.notes,
    }


def _finite(value: object) -> object:
    """Null for what JSON has no number for."""
    match value:
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value
