"""An encoder of your own: convolutions over the words, then a linear map to the latent.

vlatent train --config smoke --encoder.class_path examples/own_encoder.py:Convolutional
python examples/own_encoder.py
"""

import torch
from torch import nn


class Convolutional(nn.Module):
    """Token ids and mask [batch, token] to latents [batch, height, width, channel]."""

    def __init__(self, vocabulary: int, width: int = 32, size: int = 16, channels: int = 6):
        super().__init__()
        self.size = (size, size, channels)
        self.words = nn.Embedding(vocabulary, width)
        self.mix = nn.Conv1d(width, width, kernel_size=3, padding=1)
        self.draw = nn.Linear(width, size * size * channels)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        there = mask[:, None]  # what stands behind a sentence must not change its latent
        states = self.words(ids).mT * there
        states = torch.relu(self.mix(states)) * there
        mean = states.sum(-1) / mask.sum(1, keepdim=True)
        return self.draw(mean).unflatten(1, self.size)


if __name__ == "__main__":
    from functools import partial

    from vlatent import MemoryTracker, read_config, train

    result = train(read_config("smoke"), MemoryTracker(), encoder=partial(Convolutional, width=48))
    print(f"score {result.score:.3f}; checkpoint in {result.folder}")
