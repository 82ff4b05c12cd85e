"""From sentence files to batches of tokens."""

from vlatent.corpus.batching import Sentences, TokenBatch, TokenTable, batches, order, stream
from vlatent.corpus.digests import changed_parts, corpus_fingerprint
from vlatent.corpus.held_out import HeldOut, Part, held_out
from vlatent.corpus.loading import Corpus, load
from vlatent.corpus.settings import DataConfig
from vlatent.corpus.tokenizer import Tokenizer
from vlatent.corpus.wordings import Triples, Variants
from vlatent.scenes import FIXED_SENTENCES

__all__ = [
    "FIXED_SENTENCES",
    "Corpus",
    "DataConfig",
    "HeldOut",
    "Part",
    "Sentences",
    "TokenBatch",
    "TokenTable",
    "Tokenizer",
    "Triples",
    "Variants",
    "batches",
    "changed_parts",
    "corpus_fingerprint",
    "held_out",
    "load",
    "order",
    "stream",
]
