"""An exact Gaussian process from features of a prefix to the change that is still to come.

| symbol | meaning                                                          | shape          |
|--------|------------------------------------------------------------------|----------------|
| F      | features, standardized                                           | ``(n, d)``     |
| S      | the same, squashed: ``sign(F) log(1 + |F|)``                     | ``(n, d)``     |
| y      | changes to come, standardized                                    | ``(n,)``       |
| K      | ``K_plain(F) + K_squashed(S) + linear``, with a part of its own for each task | ``(n, n)`` |

The plain part follows what is fine and local, the squashed one keeps its head where a curve lies far outside, as those
that diverged do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from at2.errors import FitError

__all__ = ["CurveProcess", "ProcessInputs", "cross_validate", "fit_process", "squash"]

_LENGTH = math.log(3.0)  # prior of a log length scale: mean; the deviation is 1
_NOISE = math.log(0.02)  # prior of the log noise variance: mean; the deviation is 1.5
_JITTER = 1e-5
_MAX_CURVES = 1500
_BLOCK = 256  # curves predicted at once, so that their covariances stay in the cache
_PANEL = 100  # rows of the root's triangle that are taken at once, so that little of its empty half is multiplied


@dataclass(frozen=True)
class ProcessInputs:
    """Features with the number of each curve's task.

    Args:
        features: F, float64.
        tasks: Task of each, ``(n,)``: from 1 on; 0 where training has but one, -1 for one that it did not know.
    """

    features: Tensor
    tasks: Tensor

    def take(self, rows: Tensor) -> ProcessInputs:
        """Return some rows."""
        return ProcessInputs(self.features[rows], self.tasks[rows])

    def __len__(self) -> int:
        return len(self.features)


class CurveProcess:
    """The process, given training curves.

    Args:
        inputs: Training inputs.
        targets: y.
        parameters: Log length scales of both parts, ``2 d``; then logs of both variances, of the linear part's, of the
            noise, of a task's share of the kernel and of its own offset.
        rows: Which of all training curves these are; None for all.
    """

    def __init__(self, inputs: ProcessInputs, targets: Tensor, parameters: Tensor, rows: Tensor | None = None) -> None:
        self.inputs, self.targets, self.parameters = inputs, targets, parameters
        self.rows = torch.arange(len(inputs)) if rows is None else rows
        lower = _cholesky(kernel(inputs, inputs, parameters) + _noise(parameters) * _eye(len(inputs)))
        self._root = torch.linalg.solve_triangular(lower, _eye(len(inputs)), upper=False)  # its square inverts K
        self._pull = self._root.T @ (self._root @ targets)

    def predict(self, inputs: ProcessInputs) -> tuple[Tensor, Tensor]:
        """Return means and standard deviations of readings, noise included, ``(n,)`` each."""
        blocks = [self._predict(inputs.take(rows)) for rows in torch.arange(len(inputs)).split(_BLOCK)]  # type: ignore[no-untyped-call]
        return torch.cat([mean for mean, _ in blocks]), torch.cat([std for _, std in blocks])

    def _predict(self, inputs: ProcessInputs) -> tuple[Tensor, Tensor]:
        cross = kernel(inputs, self.inputs, self.parameters)
        mean = cross @ self._pull
        variance = prior_variance(inputs, self.parameters) + _noise(self.parameters)
        for start in range(0, len(self.inputs), _PANEL):
            end = min(start + _PANEL, len(self.inputs))  # the root is lower triangular: what lies beyond is zero
            variance -= (cross[:, :end] @ self._root[start:end, :end].T).square_().sum(1)
        return mean, variance.clamp_min(1e-10).sqrt()

    def leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Return what the process would predict for each training curve without it, ``(n,)`` each."""
        precision = self._root.square().sum(0)
        return self.targets - self._pull / precision, precision.rsqrt()

    def leave_task_out(self) -> tuple[Tensor, Tensor]:
        """Return what the process would predict for each training curve without its whole task, ``(n,)`` each."""
        mean, std = torch.empty_like(self.targets), torch.empty_like(self.targets)
        for task in self.inputs.tasks.unique():  # type: ignore[no-untyped-call]
            rows = (self.inputs.tasks == task).nonzero()[:, 0]
            block = torch.linalg.inv(self._root[:, rows].T @ self._root[:, rows])
            mean[rows] = self.targets[rows] - block @ self._pull[rows]
            std[rows] = block.diagonal().clamp_min(1e-10).sqrt()
        return mean, std


def fit_process(
    inputs: ProcessInputs,
    targets: Tensor,
    *,
    seed: int,
    start: Tensor | None = None,
    n_sample: int = 400,
    n_step: int = 35,
) -> CurveProcess:
    """Choose the parameters by their posterior density on a sample of the curves, and condition on all.

    Above 1,500 curves, a random 1,500 of them are conditioned on.

    Args:
        inputs: Training inputs.
        targets: y.
        seed: Seed of the sample.
        start: Parameters to begin with, such as those of a similar question; None begins at the priors.
        n_sample: Curves that the parameters are chosen on.
        n_step: Steps of L-BFGS at most.

    Raises:
        FitError: If the density leaves the finite numbers.
    """
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    sample, used = order[:n_sample], order[:_MAX_CURVES].sort().values
    few, few_targets = inputs.take(sample), targets[sample]
    first = initial_parameters(inputs) if start is None else start
    parameters = first.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([parameters], max_iter=n_step, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(few, few_targets, parameters)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = parameters.detach()
    if not bool(torch.isfinite(found).all()):
        raise FitError("the process found no finite parameters; check the training curves for readings of other sizes")
    return CurveProcess(inputs.take(used), targets[used], found, used)


def cross_validate(inputs: ProcessInputs, targets: Tensor, *, seed: int, n_part: int = 4) -> tuple[Tensor, Tensor]:
    """Return what processes fitted without a part of the curves, parameters included, say of it, ``(n,)`` each."""
    parts = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed)) % n_part
    mean, std = torch.empty_like(targets), torch.empty_like(targets)
    for part in range(n_part):
        rows, rest = (parts == part).nonzero()[:, 0], (parts != part).nonzero()[:, 0]
        process = fit_process(inputs.take(rest), targets[rest], seed=seed)
        mean[rows], std[rows] = process.predict(inputs.take(rows))
    return mean, std


def initial_parameters(inputs: ProcessInputs) -> Tensor:
    """Return the means of the priors, ``(2 d + 6,)``."""
    lengths = torch.full((2 * inputs.features.shape[1],), _LENGTH, dtype=torch.float64)
    rest = torch.tensor([0.0, 0.0, math.log(0.3), _NOISE, math.log(0.3), math.log(0.05)], dtype=torch.float64)
    return torch.cat([lengths, rest])


def kernel(first: ProcessInputs, second: ProcessInputs, parameters: Tensor) -> Tensor:
    """Return K between two sets of curves, ``(n, m)``."""
    d = first.features.shape[1]
    plain, squashed, linear, _, share, offset = parameters[2 * d :].exp()
    a, b = first.features, second.features
    in_a, in_b = squash(a), squash(b)
    shared: Tensor = _matern(a, b, parameters[:d]).mul_(plain)  # in place: these matrices are the cost of a prediction
    shared.add_(_matern(in_a, in_b, parameters[d : 2 * d]).mul_(squashed))
    shared.add_((in_a @ in_b.T).div_(max(d, 1)).add_(1).mul_(linear))
    if not bool((second.tasks > 0).any()):  # one task only
        return shared
    same = (first.tasks[:, None] == second.tasks).to(shared.dtype)
    covariance: Tensor = shared + same * (share * shared + offset)
    return covariance


def prior_variance(inputs: ProcessInputs, parameters: Tensor) -> Tensor:
    """Return the diagonal of K, ``(n,)``; that of a task of its own where training had several."""
    d = inputs.features.shape[1]
    plain, squashed, linear, _, share, offset = parameters[2 * d :].exp()
    shared = plain + squashed + linear * (1 + squash(inputs.features).square().sum(1) / max(d, 1))
    several = (inputs.tasks != 0).to(shared.dtype)
    variance: Tensor = shared + several * (share * shared + offset)
    return variance


def squash(features: Tensor) -> Tensor:
    """Return ``sign(F) log(1 + |F|)``."""
    return features.sign() * features.abs().log1p()


def _matern(first: Tensor, second: Tensor, log_lengths: Tensor) -> Tensor:
    """Return a Matern kernel of smoothness 5/2 with variance 1."""
    unit = math.sqrt(5) / log_lengths.exp()
    a, b = first * unit, second * unit
    square = torch.addmm(b.square().sum(1), a, b.T, alpha=-2).add_(a.square().sum(1)[:, None])
    far = square.clamp_min_(1e-12).sqrt_()
    falling = (-far).exp_()
    return torch.addcmul(1 + far, far, far, value=1 / 3).mul_(falling)


def _loss(inputs: ProcessInputs, targets: Tensor, parameters: Tensor) -> Tensor:
    """Return minus the log posterior density of the parameters, up to a constant."""
    d = inputs.features.shape[1]
    lower = _cholesky(kernel(inputs, inputs, parameters) + _noise(parameters) * _eye(len(inputs)))
    solved = torch.linalg.solve_triangular(lower, targets[:, None], upper=False)
    evidence = 0.5 * solved.square().sum() + lower.diagonal().log().sum()
    lengths, rest = parameters[: 2 * d], parameters[2 * d :]
    middle = initial_parameters(inputs)[2 * d :]
    prior: Tensor = (lengths - _LENGTH).square().sum() + ((rest - middle) / 1.5).square().sum()
    loss: Tensor = evidence + 0.5 * prior
    return loss


def _noise(parameters: Tensor) -> Tensor:
    return parameters[-3].exp() + _JITTER


def _eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


def _cholesky(covariance: Tensor) -> Tensor:
    """Return the lower factor; jitter grows where rounding has made the matrix indefinite."""
    for jitter in (0.0, 1e-6, 1e-4, 1e-2):
        lower, failed = torch.linalg.cholesky_ex(covariance + jitter * _eye(len(covariance)))
        if not bool(failed):
            found: Tensor = lower
            return found
    raise FitError("the covariance of the training curves is not positive definite; remove repeated or extreme curves")
