"""Files of latents: every format gives the same latents, and every wrong one a clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from contract import latent
from inside import inside
from PIL import Image
from safetensors.torch import save_file

from vlatent.__main__ import main
from vlatent.latent_files import open_latents
from vlatent.shapes import UserError

LAST = latent(batch=10, height=16, width=24, channels=3).float()
FIRST = np.ascontiguousarray(np.moveaxis(LAST.numpy(), -1, 1))


def read(path: Path, key: str | None = None, channels_first: bool | None = True) -> torch.Tensor:
    file = open_latents(path, key, channels_first)
    chunks = list(file.chunks(4))
    assert file.shape == tuple(torch.cat(chunks).shape)
    return torch.cat(chunks)


def test_every_format_gives_the_same_latents(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FIRST)
    np.savez(tmp_path / "b.npz", z=FIRST, labels=np.arange(10))
    np.savez_compressed(tmp_path / "c.npz", z=np.asfortranarray(FIRST))
    save_file({"z": torch.tensor(FIRST), "scale": torch.ones(3)}, tmp_path / "d.safetensors")
    torch.save(torch.tensor(FIRST), tmp_path / "e.pt")
    torch.save({"z": torch.tensor(FIRST), "step": 3}, tmp_path / "f.pth")
    torch.save(torch.tensor(FIRST), tmp_path / "g.pt", _use_new_zipfile_serialization=False)
    for file in sorted(tmp_path.iterdir()):
        assert torch.equal(read(file), LAST), file
    assert torch.equal(read(tmp_path / "d.safetensors", "z"), LAST)
    np.save(tmp_path / "last.npy", LAST.numpy())
    assert torch.equal(read(tmp_path / "last.npy", channels_first=None), LAST)
    save_file({"z": torch.tensor(FIRST).bfloat16()}, tmp_path / "half.safetensors")
    assert torch.equal(read(tmp_path / "half.safetensors"), LAST.bfloat16().float())


def test_videos_and_single_latents(tmp_path: Path) -> None:
    video = np.stack([FIRST[:5], FIRST[5:]], axis=2)  # [batch, channel, frame, height, width]
    np.savez(tmp_path / "video.npz", video)
    order = [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    assert torch.equal(read(tmp_path / "video.npz"), LAST[order])
    for name in ("one.npy", "one.npz"):
        (np.save if name.endswith("npy") else np.savez)(tmp_path / name, FIRST[3])
        assert torch.equal(read(tmp_path / name), LAST[3:4])
    save_file({"z": torch.tensor(FIRST[3])}, tmp_path / "one.safetensors")
    assert torch.equal(read(tmp_path / "one.safetensors"), LAST[3:4])


def test_images_of_a_folder(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (3, 9, 12, 3), dtype=np.uint8)
    for number, image in enumerate(colors):
        Image.fromarray(image).save(tmp_path / f"{2 - number}.png")
    (tmp_path / "notes.txt").write_text("no image", encoding="utf-8")
    found = read(tmp_path, channels_first=None)
    assert torch.equal(found, torch.tensor(colors[::-1].astype(np.float32)) / 255)
    Image.fromarray(colors[0, ..., 0]).save(tmp_path / "3.png")
    assert read(tmp_path, channels_first=None).shape == (4, 9, 12, 3)  # gray ones have colors too
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()
    gray = read(tmp_path, channels_first=None)
    assert torch.equal(gray[0, ..., 0] * 255, torch.tensor(colors[0, ..., 0]).float())


def made(folder: Path, name: str) -> None:
    """The file of this name that cannot be read as latents."""
    generator = np.random.default_rng(0)
    small = generator.random((2, 8, 8, 3)).astype(np.float32)
    arrays = {
        "flat": np.zeros((4, 4)),
        "integers": np.zeros((2, 8, 8, 3), dtype=np.int64),
        "tiny": small[:, :4],
        "none": small[:0],
        "first": np.moveaxis(np.repeat(small, 4, 1), -1, 1),
        "gray": np.zeros((2000, 16, 16), dtype=np.float32),
        "nan": np.where(np.arange(2)[:, None, None, None] == 1, np.nan, small),
        "objects": np.array([{}, {}]),
    }
    stem, _, suffix = name.partition(".")
    match name:
        case "two.npz":
            np.savez(folder / name, one=small, two=small, labels=np.arange(2))
        case "broken.npz":
            np.savez_compressed(folder / name, small)
            content = bytearray((folder / name).read_bytes())
            content[200:260] = bytes(60)
            (folder / name).write_bytes(content)
        case "text.npz" | "text.npy" | "text.pt" | "text.safetensors":
            (folder / name).write_text("these are no latents", encoding="utf-8")
        case "empty.npy" | "a.h5":
            (folder / name).write_bytes(b"" if suffix == "npy" else b"x")
        case "pickled.pt":
            torch.save({"z": torch.tensor(small), "path": Path("x")}, folder / name)
        case "list.pt":
            torch.save([1, 2], folder / name)
        case "ragged" | "nothing" | "damaged" | "deep":
            (folder / name).mkdir()
            if name == "ragged":
                Image.new("L", (8, 8)).save(folder / name / "a.png")
                Image.new("L", (9, 8)).save(folder / name / "b.png")
            elif name == "damaged":
                (folder / name / "a.png").write_bytes(b"no image")
            elif name == "deep":
                Image.new("I;16", (8, 8)).save(folder / name / "a.png")
        case _ if stem in arrays:
            array = arrays[stem]
            np.save(folder / name, array) if suffix == "npy" else np.savez(folder / name, array)


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        (
            "missing.npz",
            (),
            "there is no missing.npz; give .npy, .npz, .safetensors, .pt or a f",
        ),
        ("a.h5", (), "a.h5 is no file of latents that is read: give .npy"),
        ("empty.npy", (), "empty.npy is empty"),
        ("text.npz", (), "text.npz cannot be read: File is not a zip file"),
        ("text.npy", (), "text.npy "),
        ("text.pt", (), "text.pt holds more than tensors"),
        ("text.safetensors", (), "text.safetensors cannot be read"),
        ("broken.npz", (), "broken.npz cannot be read: Bad CRC-32 for file"),
        (
            "two.npz",
            (),
            "has several arrays; name one with --key. Its keys are one [2, 8, 8, 3]",
        ),
        ("two.npz", ("--key", "z"), "two.npz has no key z; its keys are one [2, 8, 8, 3], two"),
        ("two.npz", ("--key", "labels"), "must have 3, 4 or 5 axes, but have 1"),
        ("flat.npz", (), "has no array of 3, 4 or 5 axes; name one with --key. Its keys are arr_0"),
        ("flat.npy", (), "latents must have 3, 4 or 5 axes, but have 2: [4, 4]"),
        ("flat.npy", ("--key", "z"), "flat.npy holds one array, which has no key: omit --key"),
        ("integers.npy", (), "integers.npy: latents must be fp32 or fp64, but are int64"),
        ("tiny.npy", (), "tiny.npy: latents must be at least 8 x 8, but are 4 x 8"),
        ("none.npy", (), "latents must not be empty, but have the shape [0, 8, 8, 3]"),
        (
            "first.npy",
            (),
            "channels came first: say --channels_first, or --channels_last if they d",
        ),
        ("first.npy", ("--channels_first", "--channels_last"), "channels come first or last: omit"),
        ("gray.npy", ("--channels_first",), "has 2,000 channels; gray images without an axis"),
        ("nan.npy", (), "nan.npy: latents must be finite, but 1 of 2 have NaN or infinite values"),
        ("objects.npy", (), "objects.npy cannot be read: Array can't be memory-mapped: Python"),
        ("pickled.pt", (), "pickled.pt holds more than tensors; pickled Python objects could"),
        ("list.pt", (), "list.pt must hold a tensor or a dictionary of them, but holds a list"),
        ("ragged", (), "images must have one size, but a.png is 8 x 8 and b.png 9 x 8 pixels"),
        (
            "ragged",
            ("--key", "z"),
            "ragged is a folder of images, which have no keys and their colors last",
        ),
        ("nothing", (), "nothing has no images"),
        ("damaged", (), "a.png cannot be read: cannot identify image file"),
        ("deep", (), "a.png has no 8 bits a color; save it with 8 bits"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, name: str, flags: tuple[str, ...], said: str
) -> None:
    made(tmp_path, name)
    before = sorted(tmp_path.rglob("*"))
    done = inside(tmp_path, main, "statistics", name, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_writes_figure_and_json(tmp_path: Path) -> None:
    np.savez(tmp_path / "latents.npz", z=FIRST)
    flags = ("--channels_first", "--key", "z", "--json", "out/a.json", "--figure", "out/a.png")
    done = inside(tmp_path, main, "statistics", "latents.npz", *flags)
    assert done.returncode == 0, done.stderr
    assert "latents.npz, z: 10 latents of 16 x 24 x 3" in done.stdout
    assert "Photographs were measured at 16 x 16, 32 x 32, 48 x 48, not at 16 x 24" in " ".join(
        done.stdout.split()
    )
    record = json.loads((tmp_path / "out" / "a.json").read_text("utf-8"))
    assert [record[name] for name in ("count", "height", "width", "channels")] == [10, 16, 24, 3]
    assert record["channels_first"] is True
    assert "likeness" not in record["statistics"]
    row = record["statistics"]["statistic/spectrum"]
    assert row["low"] < row["value"] < row["high"]
    assert row["photographs"] == [1.5, 2.5]
    with Image.open(tmp_path / "out" / "a.png") as figure:
        assert figure.format == "PNG"
    with pytest.raises(UserError, match="no key labels"):
        open_latents(tmp_path / "latents.npz", "labels", True)
