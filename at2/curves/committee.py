"""A committee of small networks, each trained without a part of the curves, which it then judges from outside."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from at2.curves.process import ProcessInputs, squash

__all__ = ["Committee", "fit_committee"]

_N_MEMBER = 8
_N_FOLD = 4
_WIDTH = 64


class Members(nn.Module):
    """Several networks of two hidden layers side by side.

    Args:
        n_feature: Number of features.
    """

    def __init__(self, n_feature: int) -> None:
        super().__init__()
        sizes = [n_feature, _WIDTH, _WIDTH, 1]
        pairs = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList([torch.randn(_N_MEMBER, a, b) / max(a, 1) ** 0.5 for a, b in pairs])
        self.biases = nn.ParameterList([torch.zeros(_N_MEMBER, 1, b) for _, b in pairs])
        with torch.no_grad():
            self.weights[-1].mul_(0.1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return every member's answer, ``(n_member, n)``, to its own inputs, ``(n_member, n, n_feature)``."""
        hidden = inputs
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = nn.functional.silu(hidden) if i < 2 else hidden
        return hidden[..., 0]


@dataclass(frozen=True)
class Committee:
    """The trained members.

    Args:
        members: Their networks.
        outside: What members that did not see a training curve say of it, ``(n,)``.
    """

    members: Members
    outside: Tensor

    def predict(self, inputs: ProcessInputs) -> Tensor:
        """Return the mean of the members' answers, ``(n,)``, float64."""
        with torch.inference_mode():
            return _ask(self.members, inputs).mean(0).double()


def fit_committee(inputs: ProcessInputs, targets: Tensor, *, seed: int, n_step: int) -> Committee:
    """Train the members, robustly, on their parts of the curves; parts are whole tasks where there are several.

    Args:
        inputs: Training inputs.
        targets: Standardized changes to come, ``(n,)``.
        seed: Seed of weights, parts and order.
        n_step: Steps of the optimizer, on 128 curves each.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = _parts(inputs.tasks, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        members = Members(inputs.features.shape[1])
    rows = squash(inputs.features).float()
    wanted = targets.float()
    theirs = [(parts != member % _N_FOLD).nonzero()[:, 0] for member in range(_N_MEMBER)]
    theirs = [own if len(own) else torch.arange(len(wanted)) for own in theirs]
    optimizer = torch.optim.AdamW(members.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=n_step)
    for _ in range(n_step):
        batch = torch.stack([own[torch.randint(len(own), (128,), generator=generator)] for own in theirs])
        loss = nn.functional.huber_loss(members(rows[batch]), wanted[batch], delta=0.5, reduction="none").mean(1).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(members.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        answers = _ask(members, inputs).double()  # (n_member, n)
    left_out = torch.stack([parts == member % _N_FOLD for member in range(_N_MEMBER)]).double()
    return Committee(members, (answers * left_out).sum(0) / left_out.sum(0).clamp_min(1.0))


def _ask(members: Members, inputs: ProcessInputs) -> Tensor:
    rows = squash(inputs.features).float()
    answers: Tensor = members(rows.expand(_N_MEMBER, *rows.shape))
    return answers


def _parts(tasks: Tensor, generator: torch.Generator) -> Tensor:
    """Return the part of each curve: whole tasks where there are as many as parts, else curves."""
    names, number = tasks.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    if len(names) >= _N_FOLD:
        return (torch.randperm(len(names), generator=generator) % _N_FOLD)[number]
    return torch.randperm(len(tasks), generator=generator) % _N_FOLD
