"""Probes find what is in a latent, say chance where nothing is, and are not fooled by wordings."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from inside import inside
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.manifold import TSNE
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from analysis.probes import linear_probe
from analysis.probes import maps as probe_maps
from analysis.probes.__main__ import main, names
from analysis.probes.compute import REPRESENTATIONS, WORDS, jackknife, probe, structure
from analysis.probes.encoding import EncodedSentences
from analysis.probes.figures import figures
from analysis.probes.linear_probe import (
    Span,
    compared,
    read,
    resampled,
    shuffled,
    split,
    without_rounding,
)
from analysis.probes.result import Probes
from analysis.probes.retrieval import find
from analysis.probes.sentences import Asked, argument_pairs, held_out, scenes
from vlatent import checkpoints
from vlatent.config import Config, override, to_yaml
from vlatent.corpus import DataConfig, load
from vlatent.encoder import Encoder
from vlatent.intervals import interval
from vlatent.optimization import MovingAverage
from vlatent.scenes import Line, default_corpus, parse
from vlatent.scenes.words import COLORS
from vlatent.shapes import UserError

HEIGHT, WIDTH, CHANNELS = 5, 8, 3
TEMPLATE = torch.randn(HEIGHT, WIDTH, CHANNELS, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As `probe` does it: threads wait for each other longer than these matrices take."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return held_out(DataConfig())[
        90:180
    ]  # by chance, color and relation go together in the first 90


def encoded(
    asked: Asked, latent: Float[torch.Tensor, "batch height width channel"]
) -> EncodedSentences:
    """A latent as if it had been encoded, pooled as the encoder pools."""
    moments = [latent.mean((1, 2)), latent.var((1, 2), correction=0)]
    return EncodedSentences(asked, latent, torch.cat(moments, dim=-1))


def noise(count: int, share: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return share * torch.randn(count, HEIGHT, WIDTH, CHANNELS, generator=generator)


def of_color(asked: Asked) -> torch.Tensor:
    """The template with one pixel for each color, lit when the sentence is about that color."""
    colors = list(COLORS)
    latent = TEMPLATE + noise(len(asked.texts), 0.05)
    for place, color in enumerate(asked.answers["color"]):
        row, column = divmod(colors.index(color), WIDTH)
        latent[place, row, column, 1] += 1
    return latent


def of_order(asked: Asked) -> torch.Tensor:
    """One pixel for the color of the subject, and another for that of the object."""
    colors = list(COLORS)
    latent = TEMPLATE + noise(len(asked.texts), 0.05)
    for place, text in enumerate(asked.texts):
        (fact,) = parse(text)
        for role, block in enumerate((fact.subject, fact.object)):
            row, column = divmod(colors.index(block.color), WIDTH)
            latent[place, 2 * role + row, column, 1] += 1
    return latent


@pytest.fixture(scope="module")
def colored(lines: list[Line]) -> Probes:
    asked, pairs = scenes(lines), argument_pairs(60)
    return probe("colored", encoded(asked, of_color(asked)), encoded(pairs, of_order(pairs)))


def verdicts(result: Probes, target: str) -> dict[str, str]:
    return {each: result.readings[target, each].verdict for each in (*REPRESENTATIONS, WORDS)}


def test_color_in_the_latent_is_read_and_shape_that_is_not_is_not(colored: Probes) -> None:
    for representation in ("latent", "shapes only"):
        color = colored.readings["color", representation]
        assert color.verdict == "above chance"
        assert color.value.value > 0.95
        assert color.control.high < 0.5
        shape = colored.readings["shape", representation]
        assert shape.verdict == "at chance"
        assert shape.control.low <= shape.value.value <= shape.control.high
        assert colored.readings["relation", representation].verdict == "at chance"


def test_argument_order_is_told_from_word_order(colored: Probes) -> None:
    for representation in ("latent", "shapes only"):
        order = colored.readings["argument order", representation]
        assert order.verdict == "above chance"
        assert order.value.value > 0.75
        assert colored.readings["word order", representation].verdict == "at chance"
    # The words of the four sentences are the same by design.
    for target in ("argument order", "word order"):
        words = colored.readings[target, WORDS]
        assert words.value.value == 0.5
        ends = interval([0.5] * words.groups, (0.0, 1.0))[1:]  # of groups that are all the same
        assert (words.value.low, words.value.high) == ends


def test_a_reader_of_the_words_finds_what_is_there(colored: Probes) -> None:
    for target in ("color", "relation", "recall@1"):
        assert colored.readings[target, WORDS].verdict == "above chance"


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_a_template_is_at_chance(lines: list[Line], share: float) -> None:
    asked, pairs = scenes(lines[:60]), argument_pairs(40)
    made = [
        encoded(each, TEMPLATE + noise(len(each.texts), share, seed))
        for seed, each in enumerate((asked, pairs))
    ]
    result = probe("template", *made)
    for target in dict.fromkeys(target for target, _ in result.readings):
        found = verdicts(result, target)
        assert {found[each] for each in REPRESENTATIONS} == {"at chance"}, target
    share_between = result.structure["between_share"].value.value
    assert share_between == pytest.approx(share**2, rel=0.3, abs=1e-12)
    if not share:
        count = len(np.unique(asked.groups))
        assert result.readings["recall@1", "latent"].value.value == pytest.approx(1 / count)
        assert result.readings["recall@5", "latent"].value.value == pytest.approx(5 / count)
        rank = result.readings["median rank", "latent"]
        assert rank.value.value == rank.trivial == (count + 1) / 2
        assert all(each.points is None for each in result.maps)
    assert set(figures(result)) == {"readings", "map_pca"}


def test_the_same_seed_gives_the_same_numbers(lines: list[Line]) -> None:
    asked = scenes(lines[:25])
    made = encoded(asked, of_color(asked))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_probe, "SHUFFLES", 19)
        one, two, other = (probe("run", made, seed=seed) for seed in (3, 3, 4))
    assert one.readings == two.readings
    assert one.readings != other.readings


def test_wordings_do_not_inflate_a_reading() -> None:
    generator = np.random.default_rng(0)
    rows = np.repeat(generator.normal(size=(60, 90)), 4, axis=0)
    rows += 0.01 * generator.normal(size=rows.shape)
    answers = [str(each) for each in np.repeat(generator.integers(0, 2, 60), 4)]
    groups = np.repeat(np.arange(60), 4)
    careless = cross_val_score(
        RidgeClassifier(), rows, answers, cv=KFold(5, shuffle=True, random_state=0)
    )
    assert careless.mean() > 0.95  # there is something to be fooled by
    for fold in split(rows, groups):
        assert not set(groups[fold.train]) & set(groups[fold.test])
    found = read(split(rows, groups), answers, groups)
    assert found.verdict == "at chance"
    assert found.value.value < 0.65


def test_chance_is_held_with_wordings() -> None:
    """p is below 0.1 in a tenth of the cases where nothing is to be read, wordings or not."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    below = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_probe, "SHUFFLES", 39)
        patch.setattr(linear_probe, "RESAMPLES", 2)
        for seed in range(120):
            rows = np.repeat(generator.normal(size=(30, 3)), 4, axis=0)
            answers = [str(each) for each in np.repeat(generator.integers(0, 2, 30), 4)]
            below.append(read(split(rows, groups, seed), answers, groups, seed=seed).p <= 0.1)
    assert 0.02 < np.mean(below) < 0.19  # 0.1 -+ 3 standard errors of 120


@pytest.mark.parametrize("columns", [30, 240])
def test_reader_is_scikit_learns_ridge_classifier(columns: int) -> None:
    generator = np.random.default_rng(1)
    answers = np.repeat([str(each) for each in generator.integers(0, 3, 60)], 2)
    groups = np.repeat(np.arange(60), 2)
    rows = generator.normal(size=(120, columns)) * generator.uniform(0.1, 9, columns)
    rows[:, :3] += np.eye(3)[answers.astype(int)]
    reduce = [PCA(95, svd_solver="full")] if columns > linear_probe.COMPONENTS else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_probe, "COMPONENTS", 95 if reduce else linear_probe.COMPONENTS)
        found = read(split(rows, groups, 5), list(answers), groups)
    expected = cross_val_predict(
        make_pipeline(StandardScaler(), *reduce, RidgeClassifier(alpha=linear_probe.PENALTY)),
        rows,
        answers,
        groups=groups,
        cv=GroupKFold(5, shuffle=True, random_state=5),
    )
    assert found.value.value == pytest.approx((expected == answers).mean())
    assert found.trivial == max(np.unique(answers, return_counts=True)[1]) / 120


def test_shuffles_keep_wordings_together_and_strata_apart() -> None:
    groups = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4, 5, 6, 7])
    strata = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    codes = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4, 5, 5, 4])
    drawn = shuffled(codes, groups, strata, seed=0)
    first = np.unique(groups, return_index=True)[1]
    assert len(np.unique(drawn, axis=0)) > 20
    for each in drawn:
        assert np.array_equal(each, each[first][np.searchsorted(groups[first], groups)])
        for stratum in (0, 1):
            mine = first[strata[first] == stratum]
            assert sorted(each[mine]) == sorted(codes[mine])


def test_shuffles_of_a_pair_turn_it_or_leave_it() -> None:
    asked = argument_pairs(3)
    codes = np.unique(asked.answers["argument order"], return_inverse=True)[1]
    drawn = shuffled(codes, asked.groups, asked.strata, seed=0)
    turned = drawn != codes
    for group in range(3):
        mine = turned[:, asked.groups == group]
        assert np.array_equal(mine, mine[:, :1].repeat(4, axis=1))
        assert 0.4 < mine[:, 0].mean() < 0.6


def test_what_the_stratum_tells_is_chance() -> None:
    generator = np.random.default_rng(0)
    strata = np.repeat([0, 1], 60)
    groups = np.arange(120)
    answers = [str(stratum if generator.random() < 0.9 else 1 - stratum) for stratum in strata]
    rows = strata[:, None] + 0.1 * generator.normal(size=(120, 4))
    folds = split(rows, groups)
    assert read(folds, answers, groups).verdict == "above chance"
    assert read(folds, answers, groups, strata).p > 0.1


def test_rounding_is_not_read_and_small_differences_are() -> None:
    generator = np.random.default_rng(0)
    groups = np.arange(80)
    answers = [str(each) for each in generator.integers(0, 2, 80)]
    template = generator.normal(size=30)
    sign = np.array([2.0 * (answer == "1") - 1 for answer in answers])[:, None]

    def p(size: float) -> float:
        return read(split(without_rounding(template + size * sign), groups), answers, groups).p

    assert p(1e-3) == pytest.approx(0.001)
    assert p(1e-6) > 0.1
    assert np.ptp(without_rounding(template + 1e-6 * sign), axis=0).max() == 0


def test_interval_is_of_groups_and_not_of_wordings() -> None:
    generator = np.random.default_rng(0)
    hits = (generator.random(150) < 0.7).astype(float)
    once = resampled(lambda kept: float(hits[kept].mean()), np.arange(150), 0)
    said = np.repeat(hits, 5)
    often = resampled(lambda kept: float(said[kept].mean()), np.repeat(np.arange(150), 5), 0)
    assert once == often
    half = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 150)
    assert once.value == hits.mean()
    assert once.high - once.low == pytest.approx(2 * half, rel=0.1)


def test_verdict_by_hand() -> None:
    span = Span(0.6, 0.5, 0.7)
    controls = np.arange(1, 100) / 200  # 0.005 to 0.495
    found = compared(span, controls, 0.25, 1.0, groups=40, rows=80)
    assert found.p == 1 / 100  # only itself
    assert found.control == Span(*(pytest.approx(each) for each in (0.25, 0.01725, 0.48275)))
    assert found.needed == pytest.approx(0.4705)  # the 0.95 quantile
    assert found.verdict == "above chance"
    low = compared(Span(0.25, 0.2, 0.3), controls, 0.25, 1.0, 40, 80)
    assert low.p == pytest.approx((1 + 50) / 100)
    assert low.verdict == "at chance"
    few = compared(Span(0.25, 0.2, 0.3), controls, 0.25, 1.0, 19, 80)
    assert few.verdict == "not enough data"
    # Shuffled answers that reach 0.68 with a mean of 0.35: a reader of 0.675 might be missed.
    wide = compared(Span(0.35, 0.1, 0.6), np.linspace(0, 0.7, 101), 0.35, 1.0, 40, 80)
    assert wide.verdict == "at chance"
    wider = compared(Span(0.5, 0.1, 0.9), np.linspace(0, 1, 101), 0.5, 1.0, 40, 80)
    assert wider.verdict == "not enough data"


def test_lower_ranks_are_better() -> None:
    controls = np.linspace(40, 60, 99)
    good = compared(Span(3.0, 2.0, 5.0), controls, 50.0, 1.0, 99, 99)
    assert good.p == 1 / 100
    assert good.needed == pytest.approx(41.0)
    assert compared(Span(70.0, 60.0, 80.0), controls, 50.0, 1.0, 99, 99).p == 1.0


def test_too_little_is_said_to_be_too_little(lines: list[Line]) -> None:
    asked = scenes(lines[:12])
    result = probe("few", encoded(asked, of_color(asked)))
    assert {reading.verdict for (target, _), reading in result.readings.items() if "r" in target}
    assert verdicts(result, "color")["latent"] == "not enough data"
    groups = np.arange(60)
    one = read(split(np.ones((60, 3)), groups), ["red"] * 60, groups)
    assert one.verdict == "not enough data"
    assert one.trivial == 1.0


def test_retrieval_by_hand() -> None:
    rows = np.array([[0.0], [10.0], [20.0], [1.0], [14.0], [15.0]])
    groups = np.array([0, 1, 2, 0, 1, 2])
    paraphrase = np.array([False, False, False, True, True, True])
    found = find(rows, groups, paraphrase)
    # 1 finds 0 first; 14 finds 10 first; 15 is as far from 10 as from 20: half of a first place.
    assert found["recall@1"].value.value == pytest.approx((1 + 1 + 0.5) / 3)
    assert found["recall@5"].value.value == 1.0
    assert found["recall@5"].trivial == 1.0
    assert found["median rank"].value.value == 1.0
    assert found["recall@1"].trivial == pytest.approx(1 / 3)


def test_retrieval_is_that_of_nearest_neighbours() -> None:
    generator = np.random.default_rng(0)
    originals = generator.normal(size=(50, 6))
    rows = np.concatenate([originals, originals + generator.normal(size=(50, 6))])
    groups = np.tile(generator.permutation(50), 2)
    found = find(rows, groups, np.arange(100) >= 50)
    order = NearestNeighbors(n_neighbors=50).fit(originals).kneighbors(rows[50:])[1]
    rank = 1 + np.argmax(order == np.arange(50)[:, None], axis=1)
    assert found["recall@1"].value.value == pytest.approx((rank == 1).mean())
    assert found["recall@5"].value.value == pytest.approx((rank <= 5).mean())
    assert found["median rank"].value.value == np.median(rank)
    assert found["recall@5"].control.value == pytest.approx(5 / 50, rel=0.05)
    assert found["median rank"].control.value == pytest.approx(51 / 2, rel=0.05)


def test_jackknife_of_a_mean_is_its_t_interval() -> None:
    values = np.random.default_rng(0).normal(size=20)
    without = np.array([np.delete(values, place).mean() for place in range(20)])
    found = jackknife(float(values.mean()), without)
    assert (found.value, found.low, found.high) == pytest.approx(interval(list(values)))


def test_what_no_block_changes_has_an_interval_from_what_is_possible() -> None:
    found = jackknife(1.0, np.ones(20), (-1.0, 1.0))
    assert (found.low, found.high) == interval([1.0] * 20, (-1.0, 1.0))[1:]
    assert found.low < found.high
    assert jackknife(1.0, np.ones(20)) == Span(1.0, -np.inf, np.inf)
    perfect = resampled(lambda kept: 1.0, np.arange(40), 0)
    assert perfect == Span(*interval([1.0] * 40, (0.0, 1.0)))


def test_structure_lies_between_its_extremes() -> None:
    latent = TEMPLATE + noise(40, 0.5)
    found = structure(latent, np.arange(40))
    share = found["between_share"]
    assert share.same == pytest.approx(0, abs=1e-12)
    assert share.unrelated == pytest.approx(1, abs=0.05)
    assert share.same < share.value.low < share.value.value < share.value.high < share.unrelated
    assert found["effective_rank"].same == pytest.approx(1, abs=1e-3)
    assert found["effective_rank"].unrelated > 30


def test_held_out_sentences_are_those_of_the_run(lines: list[Line]) -> None:
    examples = default_corpus(training=1)[1]
    assert [line.text for line in lines] == [example.text for example in examples[90:180]]


def test_a_scene_is_what_means_the_same(lines: list[Line]) -> None:
    same = Line("A blue sphere is under a red cube.", ("A red cube rests on a blue ball.",))
    asked = scenes([*lines, Line("A red cube is on a blue sphere."), same])
    assert len(set(asked.groups[-3:])) == 1
    by_group: dict[int, set[object]] = {}
    for text, group in zip(asked.texts, asked.groups, strict=True):
        by_group.setdefault(group, set()).add(parse(text))
    assert all(len(meanings) == 1 for meanings in by_group.values())
    assert len(set().union(*by_group.values())) == len(by_group)
    for place in np.flatnonzero(asked.paraphrase):
        for answers in asked.answers.values():
            assert answers[place] == answers[place - 1]
    assert asked.paraphrase.sum() == 91
    assert list(asked.strata[-3:]) == [11, 11, 11]


def test_paraphrases_connect_sentences_whose_meaning_is_not_known() -> None:
    asked = scenes([Line("One.", ("Two.",)), Line("Three."), Line("Two.", ("Four.",))])
    assert asked.texts == ("One.", "Two.", "Three.", "Two.", "Four.")
    assert len({asked.groups[place] for place in (0, 1, 3, 4)}) == 1
    assert asked.groups[2] != asked.groups[0]
    assert asked.answers == {}


def test_pairs_are_balanced_and_mean_what_they_say() -> None:
    asked = argument_pairs(30)
    assert len(set(asked.texts)) == 120
    for group in range(30):
        texts = [text for text, own in zip(asked.texts, asked.groups, strict=True) if own == group]
        meanings = [parse(text) for text in texts]
        orders = [asked.answers["argument order"][4 * group + place] for place in range(4)]
        assert len(set(meanings)) == 2
        for one in range(4):
            for other in range(4):
                assert (meanings[one] == meanings[other]) == (orders[one] == orders[other])
        for text, order in zip(texts, orders, strict=True):
            (fact,) = parse(text)
            assert (fact.subject < fact.object) == (order == "alphabetical")
        (fact,) = meanings[0]
        named = [text.lower().index(f"{fact.subject.color} {fact.subject.shape}") for text in texts]
        assert sum(place < 5 for place in named) == 2
    for order in ("argument order", "word order"):
        assert asked.answers[order].count("alphabetical") == 60
    agree = np.array(asked.answers["argument order"]) == np.array(asked.answers["word order"])
    assert agree.sum() == 60
    again = argument_pairs(30, without={asked.texts[0]})
    assert not set(asked.texts[:4]) & set(again.texts)


def test_names_tell_runs_apart(tmp_path: Path) -> None:
    for folder in ("a/run", "b/run"):
        (tmp_path / folder).mkdir(parents=True)
    assert names([tmp_path / "a/run"]) == ["run"]
    assert names([tmp_path / "a/run", tmp_path / "b/run/checkpoint.pt"]) == ["a-run", "b-run"]
    with pytest.raises(UserError, match="given twice"):
        names([tmp_path / "a/run", tmp_path / "a/run/checkpoint.pt"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose encoder was never trained, with sentences and paraphrases beside it."""
    place = tmp_path_factory.mktemp("runs")
    training, validation = default_corpus(training=60, validation=40)
    for name, examples in (("train", training), ("validation", validation)):
        records = [json.dumps(example.record()) for example in examples]
        (place / f"{name}.jsonl").write_text("\n".join(records), encoding="utf-8")
    sizes: dict[str, object] = {"hidden": 16, "layers": 1, "heads": 2, "feed_forward": 16}
    sizes |= {"height": HEIGHT, "width": WIDTH, "channels": CHANNELS, "grid_hidden": 8}
    sizes |= {"grid_feed_forward": 16, "embedding": 8}
    files = {name: place / f"{name}.jsonl" for name in ("train", "validation")}
    changes = {f"data.{name}": path for name, path in (files | {"cache": place}).items()}
    config = override(Config(), changes | {f"encoder.{name}": size for name, size in sizes.items()})
    torch.manual_seed(0)
    encoder = Encoder(config.encoder, load(config.data).vocabulary_size)
    average = MovingAverage(encoder, config.optimizer)
    for run in ("one", "two"):
        state = {"step": 0, "config": to_yaml(config), "average": average.state_dict()}
        checkpoints.save(place / run / "checkpoint.pt", state)
    return place


def test_command_on_two_checkpoints(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "RESAMPLES", 50)
    monkeypatch.setattr(probe_maps, "TSNE", partial(TSNE, max_iter=250))
    done = inside(folder, main, "one", "two/checkpoint.pt", "--out", "out", "--tsne", "true")
    assert done.returncode == 0, done.stderr
    for expected in (
        "argument order",
        "recall@1",
        "effective rank",
        "From the latent, ",
        "Written to",
    ):
        assert expected in done.stdout
    made = {file.name for file in (folder / "out" / "two").iterdir()}
    assert made == {"probes.csv", "probes.md", "readings.png", "map_pca.png", "map_tsne.png"}
    with (folder / "out" / "one" / "probes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * 4
    for row in rows:
        assert row["verdict"] in ("above chance", "at chance", "not enough data")
        assert float(row["shuffled_low"]) <= float(row["shuffled"]) <= float(row["shuffled_high"])
        assert 0 < float(row["p"]) <= float(row["adjusted"]) <= 1
    (words,) = [
        row for row in rows if (row["target"], row["representation"]) == ("recall@1", WORDS)
    ]
    assert words["verdict"] == "above chance"
    page = (folder / "out" / "one" / "probes.md").read_text(encoding="utf-8")
    assert "of 40 meanings, and 200 pairs of blocks" in page
    same = [(folder / "out" / run / "probes.csv").read_text("utf-8") for run in ("one", "two")]
    assert same[0].replace("one,", "two,") == same[1]


def test_sentences_about_anything(folder: Path, tmp_path: Path) -> None:
    spoken = [f"Word {place} and nothing more." for place in range(30)]
    (tmp_path / "spoken.txt").write_text("\n".join(spoken), encoding="utf-8")
    done = inside(folder, main, "one", "--sentences", f"{tmp_path}/spoken.txt")
    assert done.returncode == 0, done.stderr
    assert "need labels, paraphrases or sentences about blocks" in " ".join(done.stdout.split())
    assert "effective rank" in done.stdout
    assert (folder / "one" / "probes" / "map_pca.png").is_file()


def test_sentences_that_were_trained_on_are_left_out(folder: Path, tmp_path: Path) -> None:
    known = default_corpus(training=60, validation=40)[0]
    (tmp_path / "known.txt").write_text("\n".join(each.text for each in known), encoding="utf-8")
    done = inside(folder, main, "one", "--sentences", f"{tmp_path}/known.txt")
    assert done.returncode == 2
    assert "was trained on every sentence" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere cannot be read"),
        (["one", "--count", "0"], "count must be above 0, but got 0"),
        (["one", "--sentences", "nothing.txt"], "nothing.txt does not exist"),
        (["one", "one"], "given twice"),
        (["one", "--tnse", "true"], "did you mean tsne?"),
    ],
)
def test_bad_input_is_one_line(folder: Path, arguments: list[str], says: str) -> None:
    done = inside(folder, main, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_picture_that_is_not_finite_is_refused(folder: Path, tmp_path: Path) -> None:
    state = checkpoints.load(folder / "one")
    state["average"]["module.paint.bias"][0] = float("nan")
    checkpoints.save(tmp_path / "broken" / "checkpoint.pt", state)
    done = inside(folder, main, f"{tmp_path}/broken", "--count", "25")
    assert done.returncode == 2
    assert "not finite" in done.stderr


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "vlatent probe runs/FOLDER" in " ".join(capsys.readouterr().out.split())
