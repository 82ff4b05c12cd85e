"""Tables, sentences and files of probes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from analysis.probes.linear_probe import Outcome, Reading, Span
from analysis.probes.result import Probes
from analysis.probes.retrieval import MEDIAN_RANK
from vlatent import intervals
from vlatent.console import empty_table
from vlatent.dependence import in_words
from vlatent.formatting import digits
from vlatent.tables import as_csv, as_markdown

COLUMNS = (
    *("run", "target", "representation", "value", "low", "high"),
    *("shuffled", "shuffled_low", "shuffled_high", "trivial", "p", "adjusted", "verdict"),
    *("groups", "sentences"),
)
HEADINGS = ("target", "from", "probe [95 %]", "shuffled [95 %]", "trivial", "p", "verdict")
MEASURES = {
    "between_share": "variance between sentences, share of all",
    "between_share_means": "of it in the means of channels",
    "between_share_shapes": "of it ignoring channel means",
    "cosine": "cosine of two latents, mean",
    "effective_rank": "effective rank",
    "effective_rank_centred": "effective rank without the mean latent",
}
OF_BLOCKS = (
    "Color, shape and relation are those of the fact of a sentence that comes first in the "
    "alphabet; argument order is which of two blocks is the subject of a relation, and word order "
    "which is named first, in sentences that name both. "
)
EXPLAINED = (
    "Accuracies and recalls are of sentences "
    "held out by {group}, with a bootstrap interval over {group}s. Shuffled: the same with answers "
    "exchanged between {others}, mean and central "
    "95 % of 999. Trivial: always the "
    "commonest answer, or any sentence. p: share of the shuffles that do as well, after Holm's "
    "correction. Words: the sentence's words, counted, to see that the probe works."
)
STYLES: dict[Outcome, str] = {
    "above chance": "green",
    "at chance": "yellow",
    "not enough data": "dim",
}


def tables(result: Probes) -> list[Table]:
    """Tables of the probes and of the differences between latents."""
    made = empty_table("Linear probes", *HEADINGS)
    for column in made.columns:
        column.no_wrap = column.header in ("target", "verdict")
    last = None
    for (target, representation), reading in ordered(result):
        if target != last:
            made.add_section()
        *cells, verdict = row(target, representation, reading)
        cells[0] = target if target != last else ""
        made.add_row(*cells, Text(verdict, STYLES[reading.verdict]))
        last = target
    headings = ("measure", "value [95 %]", "all the same", "white noise")
    differ = empty_table("Differences between latents", *headings)
    for line in structure_rows(result):
        differ.add_row(*line)
    return [made, differ] if result.readings else [differ]


def words(result: Probes) -> list[str]:
    """Conclusions that the numbers support."""
    said = [_dependence(result)]
    if not result.readings:
        said.append("The other probes need labels, paraphrases or sentences about blocks.")
    for representation in dict.fromkeys(key[1] for key in result.readings):
        mine = {
            target: reading
            for (target, name), reading in result.readings.items()
            if name == representation and target not in (MEDIAN_RANK, "recall@5")
        }
        said += _paragraph(representation, mine)
    share = result.structure["between_share"].value.value
    heard = [
        reading
        for (_, name), reading in result.readings.items()
        if name != "words" and reading.verdict == "above chance"
    ]
    if heard and share < 0.001:
        said.append(
            f"The probes use differences of {percent(math.sqrt(share))} of the latent's "
            "standard deviation: a standardised probe finds differences however small they are."
        )
    return said


def markdown(result: Probes) -> str:
    """Page of Markdown with conclusions and tables."""
    lines = [row(target, name, reading) for (target, name), reading in ordered(result)]
    parts = [
        f"# What does the latent of {result.name} know about the sentence?",
        _asked(result),
        *words(result),
        "## Linear probes",
        as_markdown(HEADINGS, lines),
        explained(result),
        "## Differences between latents",
        as_markdown(
            ("measure", "value [95 %]", "every latent the same", "white noise each"),
            structure_rows(result),
        ),
        f"Intervals: jackknife over {'group' if result.labels else 'scene'}s.",
    ]
    return "\n\n".join(parts) + "\n"


def explained(result: Probes) -> str:
    """What the columns of the linear probes mean."""
    if not result.labels:
        others = "scenes of as many facts in words of one complexity level"
        return OF_BLOCKS + EXPLAINED.format(group="scene", others=others)
    ours = {target for target, _ in result.readings} - {*result.labels}
    blocks = OF_BLOCKS if "color" in ours else ""
    said = f"{_list(result.labels)}: labels of the file. A group is what the file calls one, or a "
    alike = "groups" + (" alike in facts and complexity level" if blocks else "")
    return f"{blocks}{said}meaning. " + EXPLAINED.format(group="group", others=alike)


def csv(result: Probes) -> str:
    """Comma-separated values, a line a reading."""
    rows = []
    for (target, representation), reading in ordered(result):
        spans = (reading.value, reading.control)
        rows.append(
            [result.name, target, representation]
            + [number for span in spans for number in (span.value, span.low, span.high)]
            + [reading.trivial, reading.p, reading.adjusted, reading.verdict]
            + [reading.groups, reading.rows]
        )
    return as_csv(COLUMNS, rows)


def ordered(result: Probes) -> list[tuple[tuple[str, str], Reading]]:
    """The readings target by target, each from all representations."""
    targets = list(dict.fromkeys(target for target, _ in result.readings))
    return sorted(result.readings.items(), key=lambda item: targets.index(item[0][0]))


def row(target: str, representation: str, reading: Reading) -> list[str]:
    """Cells of a reading in a table."""
    unknown = math.isnan(reading.value.value)
    return [
        target,
        representation,
        "" if unknown else bracket(target, reading.value),
        "" if unknown else bracket(target, reading.control),
        number(target, reading.trivial),
        "" if unknown else f"{reading.adjusted:.2g}",
        reading.verdict,
    ]


def structure_rows(result: Probes) -> list[list[str]]:
    """The measures of how much the latents differ, with what they are in two extremes."""
    return [
        [
            MEASURES[name],
            intervals.bracket(row.value.value, row.value.low, row.value.high, ""),
            digits(round(row.same, 9)),
            digits(row.unrelated),
        ]
        for name, row in result.structure.items()
    ]


def bracket(target: str, span: Span) -> str:
    """A number with its interval."""
    form = ".1f" if target == MEDIAN_RANK else ".1%"
    return intervals.bracket(span.value, span.low, span.high, form)


def number(target: str, value: float) -> str:
    """A share in percent, a rank as it is."""
    return f"{value:.1f}" if target == MEDIAN_RANK else percent(value)


def percent(share: float) -> str:
    """A share in percent, with two digits at least."""
    return f"{100 * share:.1f} %" if share >= 0.01 or share == 0 else f"{100 * share:.2g} %"


def _paragraph(representation: str, readings: dict[str, Reading]) -> list[str]:
    """Conclusion about one representation: targets above chance, at chance, and undecided."""
    parts = []
    for verdict, begin in (
        ("above chance", "above chance"),
        ("at chance", "at chance"),
        ("not enough data", "not enough data for"),
    ):
        named = [
            f"{_name(target)} {number(target, reading.value.value)} "
            f"(shuffled {number(target, reading.control.value)})"
            if verdict != "not enough data"
            else _name(target)
            for target, reading in readings.items()
            if reading.verdict == verdict
        ]
        if named:
            parts.append(f"{begin}{'' if verdict == 'not enough data' else ':'} {_list(named)}")
    where = {
        "latent": "From the latent",
        "shapes only": "From its shapes, the means of channels taken off",
        "embedding": "From the pooled embedding",
        "words": "From the sentence's own words, counted",
    }[representation]
    return [f"{where}, {'; '.join(parts)}."] if parts else []


def _name(target: str) -> str:
    return "own paraphrase is the most similar" if target == "recall@1" else target


def _dependence(result: Probes) -> str:
    return in_words({f"dependence/{name}": e.value.value for name, e in result.structure.items()})


def _asked(result: Probes) -> str:
    pairs = f", and {result.pairs} pairs of blocks said in four ways" if result.pairs else ""
    return f"{counted(result)}{pairs}."


def counted(result: Probes) -> str:
    """How many sentences were read."""
    of = "in {} groups" if result.labels else "of {} meanings"
    return f"{result.sentences} held-out sentences {of.format(result.scenes)}"


def _list(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
