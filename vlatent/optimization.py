"""AdamW, the learning rate's course, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jsonargparse.typing import ClosedUnitInterval, NonNegativeFloat, NonNegativeInt, PositiveFloat
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from vlatent.bounds import require_bounds
from vlatent.shapes import UserError


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with warm-up and cosine decay, and the moving average that is evaluated.

    Attributes:
        learning_rate: Peak of the learning rate.
        warmup_steps: Steps of linear warm-up before the cosine.
        weight_decay: Decoupled weight decay of matrices; biases, norms and the grid have none.
        beta_1: Decay of AdamW's first moment.
        beta_2: Decay of AdamW's second moment.
        clip: Largest norm of the gradient.
        average_decay: Decay of the moving average once it has warmed up.
    """

    learning_rate: PositiveFloat = 2e-4
    warmup_steps: NonNegativeInt = 1000
    weight_decay: NonNegativeFloat = 0.01
    beta_1: ClosedUnitInterval = 0.9
    beta_2: ClosedUnitInterval = 0.95
    clip: PositiveFloat = 1.0
    average_decay: ClosedUnitInterval = 0.999

    def __post_init__(self) -> None:
        require_bounds("optimizer", self)
        for name in ("beta_1", "beta_2"):
            if getattr(self, name) == 1:
                raise UserError(f"optimizer.{name} must be below 1, which forgets nothing.")


def adamw(
    model: nn.Module, config: OptimizerConfig, others: Iterable[Tensor] = ()
) -> torch.optim.AdamW:
    """Fused AdamW; weight decay for matrices of linear layers, convolutions and embeddings.

    Beside a model's parameters it may train others, without weight decay.

    A model may name parameters without weight decay, `no_weight_decay()`, and give parameters a
    factor of the learning rate by their names, `learning_rate_factors()`.
    """
    exempt: set[str] = set(getattr(model, "no_weight_decay", tuple)())
    factors: Mapping[str, float] = getattr(model, "learning_rate_factors", dict)()
    members: dict[tuple[float, bool], list[Tensor]] = {(1.0, True): [], (1.0, False): []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_decayed = parameter.ndim >= 2 and name not in exempt
            members.setdefault((factors.get(name, 1.0), is_decayed), []).append(parameter)
    members[1.0, False].extend(others)
    groups: list[dict[str, Any]] = [
        {"params": parameters, "factor": factor} | ({} if is_decayed else {"weight_decay": 0.0})
        for (factor, is_decayed), parameters in members.items()
        if parameters
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=config.learning_rate,
        betas=(config.beta_1, config.beta_2),
        weight_decay=config.weight_decay,
        fused=True,
    )
    restore(optimizer)
    return optimizer


def restore(optimizer: torch.optim.Optimizer, state: dict[str, Any] | None = None) -> None:
    """Restore a state, from whatever device, and keep the learning rate where the weights are.

    On a GPU it is a tensor, which steps that were recorded read anew each time.
    """
    if state is not None:
        optimizer.load_state_dict(state)
    for group in optimizer.param_groups:
        device = group["params"][0].device
        rate, on_gpu = float(group["lr"]), device.type == "cuda"
        group |= {"lr": torch.tensor(rate, device=device) if on_gpu else rate, "capturable": on_gpu}


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of the next step, without waiting for the last."""
    for group in optimizer.param_groups:
        of_group = rate * group.get("factor", 1.0)  # optimizers of older checkpoints have none
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(of_group)
        else:
            group["lr"] = of_group


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Learning rate of step 0 ... steps - 1: linear warm-up, then a cosine to zero.

    A run shorter than its warm-up only warms up, as the documented quick run does.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(steps - config.warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def average_decay(config: OptimizerConfig, updates: int) -> float:
    """Decay of the moving average after so many updates: min(average_decay, (1 + t) / (10 + t)).

    Without this warm-up, a decay of 0.999 leaves 61 % of the first weights after 500 steps.
    """
    return min(config.average_decay, (1 + updates) / (10 + updates))


class MovingAverage(AveragedModel):
    """An fp32 copy of a model that follows it with `average_decay`; shares what is not trained."""

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        super().__init__(model)
        self.config = config
        for mine, theirs in zip(self.parameters(), model.parameters(), strict=True):
            if not theirs.requires_grad:
                mine.data = theirs.data

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Follow the model by one step; torch's own version waits for a GPU."""
        updates = int(self.n_averaged)  # counted on the CPU
        share = 1 - average_decay(self.config, updates) if updates else 1.0
        pairs = zip(self.parameters(), model.parameters(), strict=True)
        moving = [(mine, theirs) for mine, theirs in pairs if theirs.requires_grad]
        averages, current = map(list, zip(*moving, strict=True))
        torch._foreach_lerp_(averages, current, share)
        for mine, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)  # running statistics are averages themselves
        self.n_averaged += 1
