"""How alike two texts are, letter by letter, whatever they are about."""

from __future__ import annotations

import math
from collections.abc import Sequence


def chrf(read: Sequence[str], told: Sequence[str]) -> float:
    """Character n-gram F-score of many texts (chrF, Popović 2015), by sacrebleu, from 0 to 1.

    chrF = 5 P R / (4 P + R): P is the share of the n-grams read that were told, R of those told
    that were read, n from 1 to 6, without blanks, means over n. NaN where sacrebleu, which the
    extra `text` brings, is not installed.

    Calibration: 1 for the same texts, 0 for no letter in common.
    """
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ModuleNotFoundError:
        return math.nan
    return float(CHRF().corpus_score(list(read), [list(told)]).score) / 100
