"""Reconstruction: a decoder that learns beside the encoder says the sentence of a latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vlatent.annotations import NonNegativeFloat, PositiveFloat, PositiveInt
from vlatent.decoder import DecoderConfig
from vlatent.shapes import PerBatch, UserError
from vlatent.terms.base import Term, Views


@dataclass(frozen=True, kw_only=True)
class Reconstruction(Term):
    """Cross-entropy of a sentence's tokens, as a decoder reads its latent (teacher forcing).

    Its gradient trains both: the decoder to read, the encoder to be read. Calibration, nats a
    token: log of the number of tokens for a decoder that knows nothing; of sentences about blocks,
    .73 of a latent that was never trained to be read, .12 to .16 a word of who knows the meaning.

    Attributes:
        weight: Factor of the penalty in the training loss.
        says: Whose tokens: those of the sentence, or those of one of its paraphrases, which teaches
            the decoder other words.
        noise: Standard deviation of the noise that half of the latents of a step get, in their own
            standard deviations: a reader without noise finds everything in any encoder.
        draws: What the decoder says freely of each sentence in a step, for the terms cycle and
            copying.
        learning_rate: Peak of the decoder's learning rate, whose course is the encoder's.
        decoder: Its sizes.
    """

    weight: NonNegativeFloat = 0.0
    says: Literal["sentence", "paraphrase"] = "sentence"
    noise: NonNegativeFloat = 0.3
    draws: PositiveInt = 4
    learning_rate: PositiveFloat = 2e-3
    decoder: DecoderConfig = DecoderConfig()

    search: ClassVar[tuple[float, float]] = (7e-2, 7.0)
    least: ClassVar = {"draws": 2}  # each is judged beside the others
    most: ClassVar = {"draws": 1000}
    later: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.decoder.check("terms.reconstruction.decoder")
        if self.compares and self.decoder.restricted:
            raise UserError(
                "terms.reconstruction.decoder.restricted lets the decoder say only tokens of "
                "training sentences, but their paraphrases have others: set it to false, or "
                "terms.reconstruction.says to sentence."
            )

    @property
    def compares(self) -> bool:
        """Whether it needs paraphrases."""
        return self.says == "paraphrase"

    def penalty(self, views: Views) -> PerBatch:
        """Mean over the tokens of -log p(token | latent, true tokens before)."""
        assert views.reading is not None, "a decoder is made wherever this has a weight"
        return views.reading(views.sentences)
