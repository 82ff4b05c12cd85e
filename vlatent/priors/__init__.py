"""The priors. Another one is one file and one line here, or a user's own from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

from vlatent.parts import Parts
from vlatent.priors.base import Prior as Prior
from vlatent.priors.contours import Contours as Contours
from vlatent.priors.decorrelation import Decorrelation as Decorrelation
from vlatent.priors.kurtosis import Kurtosis as Kurtosis
from vlatent.priors.spectrum import Spectrum as Spectrum
from vlatent.priors.total_variation import TotalVariation as TotalVariation
from vlatent.priors.variance import Variance as Variance
from vlatent.priors.wavelet import Wavelet as Wavelet
from vlatent.shapes import as_latent as as_latent


@dataclass(frozen=True, kw_only=True)
class Priors(Parts):
    """The analytic image priors and their weights."""

    kind: ClassVar[type] = Prior

    spectrum: Spectrum = Spectrum()
    total_variation: TotalVariation = TotalVariation()
    wavelet: Wavelet = Wavelet()
    kurtosis: Kurtosis = Kurtosis()
    decorrelation: Decorrelation = Decorrelation()
    variance: Variance = Variance()
    contours: Contours = Contours()

    def __iter__(self) -> Iterator[tuple[str, Prior]]:
        """Every prior with its name, which is its metric's, its file's and its ablation's."""
        return ((field.name, getattr(self, field.name)) for field in fields(self))
