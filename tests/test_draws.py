"""What a decoder says freely: its estimators beside sums over everything that can be said."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ablations.measurement import OF_MEANING, STATISTICS
from vlatent.config import Config, override, read_config, to_yaml
from vlatent.decoder import Decoder, DecoderConfig
from vlatent.decoding import sampled
from vlatent.draws import said_of
from vlatent.encoder import Encoder, EncoderConfig
from vlatent.optimization import OptimizerConfig
from vlatent.reader import ReadingConfig, Told, Training, log_probability
from vlatent.shapes import UserError
from vlatent.terms import Copying, Cycle, Reconstruction, Terms, Views, represent
from vlatent.terms.base import Said, score_function

WORDS, LONG, SENTENCES = 8, 5, 8
SIZES = EncoderConfig(
    hidden=16, layers=1, heads=2, feed_forward=16, height=8, width=8, grid_hidden=8,
    grid_feed_forward=16, embedding=8, dropout=0.0, initialisation="fan_in",
)  # fmt: skip
TERMS = Terms(on="latent", reconstruction=Reconstruction(weight=0.7), cycle=Cycle(weight=0.2))
EXACT = lambda: torch.autocast("cpu", enabled=False)  # noqa: E731


def begun(steps: int = 0) -> tuple[Encoder, Training, Told]:
    """An encoder, a decoder that has read its latents for a while, and sentences."""
    torch.manual_seed(0)
    encoder = Encoder(SIZES, WORDS).requires_grad_(False)
    config = ReadingConfig(
        decoder=DecoderConfig(hidden=16, layers=1, heads=2, feed_forward=32),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=0),
        steps=10**6,
        noise=0.0,
    )
    ids = torch.randint(WORDS, (SENTENCES, LONG), generator=torch.Generator().manual_seed(1))
    told = Told(encoder(ids, ids >= 0), ids, ids >= 0)
    training = Training(Decoder(config.decoder, WORDS, (8, 8, 6), 8), encoder.embed, config)
    for _ in range(steps):
        training.take(told)
    return encoder, training, told


def views(said: Said) -> Views:
    nothing = torch.zeros(1, 2, 2, 1)
    same = torch.eye(1, dtype=torch.bool)
    return Views(
        *3 * (nothing,), same, "latent", lambda latent: latent.flatten(1), None, lambda: said
    )


def test_the_gradient_is_that_of_the_expectation() -> None:
    """Summed over every pair of draws, each with its probability."""
    logits = torch.tensor([0.3, -0.5, 1.0], requires_grad=True)
    costs = torch.tensor([0.2, 0.9, 0.4])
    gains = logits.log_softmax(0)
    [expected] = torch.autograd.grad((gains.exp() * costs).sum(), logits, retain_graph=True)
    found = torch.zeros(3)
    for pair in product(range(3), repeat=2):
        at = torch.tensor([pair])
        [gradient] = torch.autograd.grad(
            score_function(costs[at], gains[at]), logits, retain_graph=True
        )
        found += gains[at].sum().exp().detach() * gradient
    torch.testing.assert_close(found, expected)
    at = torch.tensor([[0, 1]])
    assert float(score_function(costs[at], gains[at].detach())) == pytest.approx(0.55)


def test_draws_have_the_probability_that_is_said() -> None:
    """Of all sentences of at most two tokens the probabilities add up to 1; frequencies follow."""
    _encoder, training, told = begun(3)
    decoder = training.decoder
    state = decoder.begin(told.latent[:1], training.embed(told.latent[:1]))
    every = [ids for length in range(3) for ids in product(range(WORDS), repeat=length)]
    rows = tuple(layer.at(torch.zeros(len(every), dtype=torch.int64)) for layer in state)
    ids = torch.tensor([[*each, 0, 0][:2] for each in every])
    mask = torch.arange(2) < torch.tensor([len(each) for each in every])[:, None]
    gains = log_probability(decoder, rows, ids, mask, longest=2).detach()
    assert float(gains.exp().sum()) == pytest.approx(1, abs=1e-5)
    many = tuple(layer.at(torch.zeros(20_000, dtype=torch.int64)) for layer in state)
    drawn = sampled(decoder, many, 2, 1.0, torch.Generator().manual_seed(0))
    place = {each: row for row, each in enumerate(every)}
    counts = torch.bincount(
        torch.tensor([place[tuple(each)] for each in drawn]), minlength=len(every)
    )
    assert (counts / 20_000 - gains.exp()).abs().max() < 0.01


def test_said_is_encoded_again() -> None:
    encoder, training, told = begun(3)
    torch.manual_seed(2)
    said = said_of(training, encoder, told, TERMS, EXACT)
    assert len(said.ids) == len(told.ids)
    assert {len(draws) for draws in said.ids} == {4}
    assert said.told == told.ids.tolist()
    for row, draw in ((0, 1), (5, 3)):
        ids = said.ids[row][draw]
        cosine = 0.0
        if ids:
            again = encoder(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))
            one, other = again.flatten(), told.latent[row].flatten()
            cosine = float(functional.cosine_similarity(one, other, dim=0))
        assert float(said.cosine[row, draw]) == pytest.approx(cosine, abs=1e-5)
    assert not said.cosine.requires_grad
    assert said.log_probability.requires_grad


def test_costs_worked_by_hand() -> None:
    said = Said(
        [[[1, 2, 3, 4], [1, 2, 3, 9, 1, 2, 3, 4], [], [7, 2, 3, 4, 5]]], [[0, 1, 2, 3, 4, 5]],
        torch.tensor([[1.0, 0.5, 0.0, 0.1]]), torch.zeros(1, 4),
    )  # fmt: skip
    assert float(Cycle().penalty(views(said))) == pytest.approx(1 - 1.6 / 4)
    assert float(Copying().penalty(views(said))) == pytest.approx((1 + 1 / 5 + 0 + 1 / 2) / 4)


class Given(nn.Module):
    """Stands in the place of an encoder's token embedding, and gives what it was given."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states

    def forward(self, ids: Tensor) -> Tensor:
        return self.states


def straight_through(training: Training, encoder: Encoder, told: Told) -> Tensor:
    """1 - cosine of the best draw, whose tokens pass on the gradient of their probabilities."""
    torch_said = said_of(training, encoder, told, TERMS, EXACT)
    best = torch_said.cosine.argmax(1)
    chosen = [draws[at] or [0] for draws, at in zip(torch_said.ids, best.tolist(), strict=True)]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(each) for each in chosen], batch_first=True)
    mask = torch.arange(ids.shape[1]) < torch.tensor([len(each) for each in chosen])[:, None]
    state = training.decoder.begin(told.latent, training.embed(told.latent))
    read, _ = training.decoder.targets(ids, mask)
    logits, _ = training.decoder(read[:, :-1], state)
    shares = logits[..., :WORDS].softmax(-1)
    hard = functional.one_hot(ids, WORDS) + shares - shares.detach()
    own, embedding = encoder.tokens, encoder.tokens.weight
    encoder.tokens = Given(hard @ embedding)  # type: ignore[assignment]
    again = encoder(ids, mask)
    encoder.tokens = own
    one, other = (represent(part, "latent", encoder.embed) for part in (again, told.latent))
    return (1 - (one * other).sum(1)).mean()


def by_score_function(training: Training, encoder: Encoder, told: Told) -> Tensor:
    return Cycle().penalty(views(said_of(training, encoder, told, TERMS, EXACT)))


def cost_after(estimate: Callable[[Training, Encoder, Told], Tensor], steps: int) -> float:
    """1 - cosine of many draws, after so many steps that follow nothing but an estimate of it."""
    encoder, training, told = begun(20)
    for _ in range(steps):
        training.optimizer.zero_grad(set_to_none=True)
        estimate(training, encoder, told).backward()
        training.clip()
        training.follow()
    with torch.no_grad():
        many = replace(TERMS, reconstruction=Reconstruction(weight=0.7, draws=64))
        return float(1 - said_of(training, encoder, told, many, EXACT).cosine.mean())


@pytest.mark.soak
@pytest.mark.processes
def test_the_score_function_moves_the_cycle_further_than_straight_through() -> None:
    """At an equal number of steps, from the same decoder: that is why the term has it."""
    before, score, straight = (
        cost_after(estimate, steps)
        for estimate, steps in (
            (by_score_function, 0),
            (by_score_function, 60),
            (straight_through, 60),
        )
    )
    assert score < 0.8 * before
    assert score < straight


@pytest.mark.parametrize("name", ["reconstruction", "cycle", "copying"])
def test_ablations_of_the_round_trip(name: str) -> None:
    ablation = importlib.import_module(f"ablations.{name}").ABLATION
    base = read_config("round_trip")
    arms = ablation.all_arms(base)
    assert len({to_yaml(override(base, arm.changes)) for arm in arms}) == len(arms) > 3
    for prediction in ablation.predictions:
        assert prediction.arm in {arm.name for arm in arms}
        assert prediction.statistic in (*STATISTICS, *OF_MEANING)
    with pytest.raises(UserError, match="begin with --config round_trip"):
        ablation.all_arms(Config())


def test_a_decoder_is_needed() -> None:
    with pytest.raises(UserError, match=r"terms.cycle.weight is above 0, but there is no decoder"):
        Terms(cycle=Cycle(weight=0.1))
    with pytest.raises(UserError, match=r"terms.reconstruction.draws must be at least 2"):
        Reconstruction(draws=1)
    early = replace(TERMS, cycle=Cycle(weight=0.2, start=5))
    assert dict(early.at(4))["cycle"].weight == 0
    assert early.at(5) is early
