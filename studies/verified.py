"""Another config on which a study verifies its values, that of a larger encoder for instance."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from studies.question import Question, Space
from studies.record import VERIFICATION
from vlatent.config import Config, flatten, override, own_parts, read_config
from vlatent.corpus import DataConfig
from vlatent.fingerprints import corpus_digests, effective
from vlatent.preparation import corpus_for, not_divided, placement


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The config, as it is trained but for the values and the seed.

    Attributes:
        name: What the command line calls it.
        config: With the study's sentences and tracker, judged on the test set.
        key: Sixteen hexadecimal digits of all that can change a result.
        divided: Whether there are enough held-out sentences for a test set.
        unlike: Settings of priors, beside what is searched, that the study's config has otherwise:
            their names and both values, in words.
    """

    name: str
    config: Config
    key: str
    divided: bool
    unlike: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Kind of its trials."""
        return f"{VERIFICATION}/{self.key}"

    @property
    def difference(self) -> str | None:
        """What tells its priors from the study's, beside the values that are searched."""
        if not self.unlike:
            return None
        return (
            f"{self.name} has other priors than this study, whose own values stand in brackets: "
            f"{', '.join(self.unlike)}."
        )


def verified(name: str, config: Config, question: Question, space: Space) -> Verified:
    """Read the config with this name or path, and try what can be tried before it is trained.

    Its sentences are the study's unless it names its own; the test set is without any sentence
    that the study's search or its own first ones would see.

    Raises:
        UserError: There is no such config, or it cannot be trained.
    """
    named = read_config(name)
    if named.data == DataConfig():
        named = override(named, {"data": config.data})
    seen = (named.evaluation.sentences, config.evaluation.sentences, config.evaluation.retrieved)
    own = {"tracking": config.tracking, "training.seed": config.training.seed}
    for group, part, _ in own_parts(config):  # of the study's, which searches their weights
        if part not in getattr(named, group).own:
            own[f"{group}.{part}"] = getattr(getattr(config, group), part)
    named = override(named, own | {"evaluation.sentences": max(seen)})
    placement(named.training)
    corpus = corpus_for(question.apply(named, question.start(config, space)))
    values = {k: v for k, v in effective(named).items() if not k.startswith("data.")}
    studied, own_values = flatten(config), flatten(named)
    unlike = (key for key in own_values if key.startswith("priors.") and key not in space)
    content = json.dumps([values, corpus_digests(named, corpus)], sort_keys=True)
    return Verified(
        name=name,
        config=named,
        key=hashlib.sha256(content.encode()).hexdigest()[:16],
        divided=not_divided(named, corpus) is None,
        unlike=tuple(
            f"{key} {own_values[key]} ({studied.get(key, 'absent')})"
            for key in unlike
            if own_values[key] != studied.get(key)
        ),
    )
