"""A run small enough for tests: the smoke config, on files of their own."""

from __future__ import annotations

from pathlib import Path

from vlatent.config import Config, from_yaml, override
from vlatent.encoder import EncoderConfig

CONFIGS = Path(__file__).parents[2] / "configs"
ENCODER = EncoderConfig(
    hidden=16, layers=1, heads=2, feed_forward=16, height=8, width=12, grid_hidden=8,
    grid_feed_forward=16, embedding=8, initialisation="fan_in",
)  # fmt: skip


def smoke(tmp_path: Path, **changes: object) -> Config:
    """configs/smoke.yaml, 12 steps, with dotted names changed: `training__steps=3`."""
    text = (CONFIGS / "smoke.yaml").read_text(encoding="utf-8")
    config = from_yaml(text)
    here = {
        "training.steps": 12,
        "training.folder": tmp_path / "run",
        "evaluation.count": 4,
        "tracking.every": 1,
        "tracking.uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
        "data.train": sentences(tmp_path),
        "data.max_length": 200,
    }
    return override(config, here | {k.replace("__", "."): v for k, v in changes.items()})


def sentences(tmp_path: Path) -> Path:
    """Forty short sentences of different length."""
    path = tmp_path / "sentences.txt"
    colors, shapes = ("red", "blue", "green", "gray"), ("cube", "ball", "cone", "pyramid", "disk")
    lines = [f"the {c} {s} is on the {d} cube" for c in colors for s in shapes for d in colors[:2]]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
