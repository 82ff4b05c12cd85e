"""A comparison in words: tables for the screen and for files, and what the numbers support."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.table import Table

from analysis.compare.result import Comparison, Over, SampleMean, compared, criteria_of
from vlatent.console import empty_table
from vlatent.dependence import in_words as dependence_in_words
from vlatent.effects import NULL, Effect
from vlatent.effects import in_words as effect_in_words
from vlatent.evaluation import VIOLATED
from vlatent.formatting import bounds, digits
from vlatent.intervals import bracket
from vlatent.tables import as_csv, as_markdown

COLUMNS = ("part", "name", "subject", "value", "low", "high", "n", "p_adjusted")

OVER = {
    "seeds": "Over seeds: mean [95 % interval]",
    "sentences": "Over sentences, single latents: mean [95 % interval]",
}

Rows = list[tuple[str, ...]]


def heads(comparison: Comparison) -> tuple[str, ...]:
    return ("", *(subject.label for subject in comparison.subjects))


def config_rows(comparison: Comparison) -> Rows:
    """Every dotted name that differs, with its values."""
    return [
        (name, *(_setting(value) for value in values)) for name, values in comparison.config.items()
    ]


def criteria_rows(comparison: Comparison) -> Rows:
    """The verdict, then every criterion: what was found, whether it holds, and its margin."""
    criteria = [criteria_of(subject.verdict) for subject in comparison.subjects]
    names = list(dict.fromkeys(name for by_name in criteria for name in by_name))
    verdicts = []
    for subject in comparison.subjects:
        held = sum(criterion.holds for criterion in subject.verdict.criteria)
        word = "PASS" if subject.verdict.passed else "FAIL"
        verdicts.append(f"{word}: {held} of {len(subject.verdict.criteria)}")
    rows: Rows = [("all criteria", *verdicts)]
    rows.append(("at step", *(str(s.evaluation.step) for s in comparison.subjects)))
    for name in names:
        row = []
        for by_name in criteria:
            criterion = by_name.get(name)
            if criterion is None:
                row.append("not judged")
                continue
            margin = "not yet" if criterion.margin >= VIOLATED else f"{criterion.margin:+.2f}"
            word = "" if criterion.holds else "FAIL "
            row.append(f"{word}{criterion.found} [{margin}]")
        rows.append((name, *row))
    return rows


def statistic_rows(comparison: Comparison) -> Rows:
    """Every statistic of the one run that is shown."""
    return [
        (
            statistic.label,
            *(
                _number(comparison.statistics[s.label][statistic.label])
                for s in comparison.subjects
            ),
        )
        for statistic in compared(comparison.subjects)
    ]


def over_rows(comparison: Comparison, over: Over) -> Rows:
    """Means with intervals, and differences from the first where there are any."""
    names = list(dict.fromkeys(name for by_name in over.estimates.values() for name in by_name))
    rows: Rows = []
    for name in names:
        row = [name]
        for subject in comparison.subjects:
            means = over.estimates.get(subject.label)
            row.append("-" if means is None else _estimate(means[name]))
        for effects in over.effects.values():
            row.append(_effect(effects[name]))
        rows.append(tuple(row))
    return rows


def over_heads(comparison: Comparison, over: Over) -> tuple[str, ...]:
    first = comparison.subjects[0].label
    counts = {
        label: max((estimate.n for estimate in means.values()), default=0)
        for label, means in over.estimates.items()
    }
    labels = [
        f"{s.label} ({counts[s.label]} {over.what})" if s.label in counts else s.label
        for s in comparison.subjects
    ]
    return ("", *labels, *(f"{label} minus {first}" for label in over.effects))


def words(comparison: Comparison, over: Over) -> list[str]:
    """The differences in sentences, one a statistic."""
    first = comparison.subjects[0].label
    return [
        effect_in_words(f"From {first} to {label}", name, effect)
        for label, effects in over.effects.items()
        for name, effect in effects.items()
    ]


def brief(comparison: Comparison, over: Over) -> list[str]:
    """Shorter sentences: statistics without a difference are only named."""
    first = comparison.subjects[0].label
    said = []
    for label, effects in over.effects.items():
        change = f"From {first} to {label}"
        shown = {n: e for n, e in effects.items() if e.established or e.suggestive}
        said += [effect_in_words(change, name, effect) for name, effect in shown.items()]
        rest = [name for name in effects if name not in shown]
        if rest:
            said.append(f"{change}, no detectable effect on {', '.join(rest)}.")
    return said


def cautions(comparison: Comparison) -> list[str]:
    """Limits of the numbers, in sentences."""
    first = comparison.subjects[0]
    said = [f"{s.label} {note}." for s in comparison.subjects for note in s.notes]
    said += [
        f"{label} cannot be compared with {first.label} over seeds: {why}."
        for label, why in comparison.seeds.unpaired.items()
    ]
    single = [s.label for s in comparison.subjects if s.label not in comparison.seeds.estimates]
    if single:
        said.append(
            f"One run says nothing about other seeds ({', '.join(single)}): two seeds of one "
            "config may differ as much as what is compared here. Train more with --training.seed, "
            "or compare what was trained on several: confirmed trials, or arms of an ablation."
        )
    if comparison.seeds.effects or comparison.sentences.effects:
        said.append(
            "Every statistic is tested on its own: about 1 in 20 statistics without an effect will "
            f"look significant by chance. p tests whether {NULL}; of skewed ones it says nothing "
            "about their mean."
        )
    said += [
        f"{label} cannot be compared with {first.label} over sentences: {why}."
        for label, why in comparison.sentences.unpaired.items()
        if label in comparison.encoded and first.label in comparison.encoded
    ]
    if comparison.sentences.effects:
        said.append(
            "What is said over sentences holds for these trained encoders alone, not for their "
            "configs; single latents are measured, then averaged."
        )
    said += [
        f"{label} encodes every sentence to the same latent; that is why its intervals over "
        "sentences are so narrow."
        for label, encoded in comparison.encoded.items()
        if encoded.same
    ]
    return said


def dependences(comparison: Comparison) -> list[str]:
    """Dependence of every subject's latents on the text, in sentences."""
    return [f"{s.label}: {dependence_in_words(s.evaluation.metrics)}" for s in comparison.subjects]


def not_encoded(comparison: Comparison) -> list[str]:
    """Which subjects have no latents, and why."""
    of_reason: dict[str, list[str]] = {}
    for label, why in comparison.unencoded.items():
        of_reason.setdefault(why, []).append(label)
    return [
        f"{', '.join(labels)}: {why}; spectrum, new latents and numbers over sentences cannot be "
        "shown, only what the record holds."
        for why, labels in of_reason.items()
    ]


def sheets(comparison: Comparison) -> list[tuple[str, tuple[str, ...], Rows]]:
    """Title, headings and rows of every table; where there is nothing to show, no rows."""
    columns, overs = heads(comparison), (comparison.seeds, comparison.sentences)
    return [
        ("Verdicts: found [margin, at most 0 holds]", columns, criteria_rows(comparison)),
        ("Configs: what differs", columns, config_rows(comparison)),
        ("Statistics of the run shown, held-out sentences", columns, statistic_rows(comparison)),
        *(
            (OVER[over.what], over_heads(comparison, over), over_rows(comparison, over))
            for over in overs
        ),
    ]


def screens(comparison: Comparison) -> Iterator[Table]:
    """The tables of the terminal."""
    for title, columns, rows in sheets(comparison):
        if rows:
            made = empty_table(title, *columns)
            for column in made.columns:
                column.overflow = "fold"
            for row in rows:
                made.add_row(*row)
            yield made


def markdown(comparison: Comparison, figures: Sequence[str], again: Sequence[str]) -> str:
    """The whole comparison as a file.

    Args:
        comparison: The comparison.
        figures: Names of the figures beside it.
        again: How to train again what lacks a checkpoint.
    """
    below = [dependences(comparison), [], []]
    below += [words(comparison, over) for over in (comparison.seeds, comparison.sentences)]
    parts = [
        f"# {' against '.join(s.label for s in comparison.subjects)}",
        *(f"- **{s.label}**: {s.what}" for s in comparison.subjects),
    ]
    for (title, columns, rows), lines in zip(sheets(comparison), below, strict=True):
        parts += [f"## {title}", as_markdown(columns, rows)] if rows else []
        parts += [f"- {line}" for line in lines]
    if not comparison.config:
        parts.append("No key of the configs differs that can change what is computed.")
    if comparison.seeds.effects or comparison.sentences.effects:
        parts.append(
            "Differences are paired; an asterisk marks those that are established (p < 0.05 in the "
            f"sign-flip test, whose null hypothesis is that {NULL}; after Holm's correction over "
            "what is compared with the first, for every statistic on its own)."
        )
    said = [*cautions(comparison), *not_encoded(comparison), *again]
    parts += ["## What the numbers do not say", *(f"- {line}" for line in said)] if said else []
    parts += [f"![{name}]({name}.png)" for name in figures]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def csv(comparison: Comparison) -> str:
    """Comma-separated values, a line a number."""
    return as_csv(COLUMNS, _lines(comparison))


def _lines(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    for name, values in comparison.config.items():
        for subject, value in zip(comparison.subjects, values, strict=True):
            yield ("config", name, subject.label, value, "", "", "", "")
    for subject in comparison.subjects:
        for criterion in subject.verdict.criteria:
            yield ("margin", criterion.name, subject.label, criterion.margin, "", "", "", "")
        for name, number in comparison.statistics[subject.label].items():
            yield ("run", name, subject.label, number, "", "", "", "")
    for over in (comparison.seeds, comparison.sentences):
        for label, estimates in over.estimates.items():
            for name, e in estimates.items():
                yield (over.what, name, label, e.mean, e.low, e.high, e.n, "")
        for label, effects in over.effects.items():
            change = f"{label} minus {comparison.subjects[0].label}"
            for name, d in effects.items():
                row = (f"difference over {over.what}", name, change, d.mean)
                yield (*row, d.low, d.high, d.n, d.adjusted)


def _setting(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return digits(value) if math.isfinite(value) else "not recorded"


def _estimate(mean: SampleMean) -> str:
    if mean.n < 2:
        return _number(mean.mean)
    return bracket(mean.mean, mean.low, mean.high, "")


def _effect(effect: Effect) -> str:
    if effect.n < 2:
        return "-"
    mark, skewed = "*" * effect.established, ", skewed" * effect.skewed
    if not (math.isfinite(effect.low) or math.isfinite(effect.high)):
        return f"{effect.mean:+.3g}{mark} (the same in all pairs)"
    ends = ", ".join(bounds(effect.low, effect.high, "+.3g"))
    return f"{effect.mean:+.3g}{mark} [{ends}]{skewed}"
