"""The mean spectrum of a run comes back from its file as it was, also of a channel without one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vlatent.figures.mean_spectrum import from_text, mean_spectrum
from vlatent.shapes import UserError


def test_a_spectrum_comes_back_from_its_file() -> None:
    latent = torch.randn(5, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    latent[..., 1] = 2.0  # constant: no spectrum
    made = mean_spectrum(latent)
    text = made.to_text()
    assert "NaN" not in text  # which JSON does not know
    assert json.loads(text)["sentences"] == 5
    read = from_text(text)
    assert read.known == made.known == [0, 2]
    assert read.frequency == made.frequency
    np.testing.assert_equal(read.power, made.power)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sentences": 3, "other": 1}'])
def test_what_is_no_spectrum_is_said_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"spectrum\.json is damaged"):
        from_text(text)
