"""A belief that averages Gaussian hypotheses by how well each explains the readings so far."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from at2.surrogate.belief import Outlook, Prediction
from at2.surrogate.kronecker.hypothesis import Hypothesis
from at2.surrogate.warp import Warp, unwarp_moments

_NEGLIGIBLE = 1e-4  # hypotheses of less weight change no decision


class MixtureBelief:
    """Weighted hypotheses about one target, behind the `Belief` protocol.

    Args:
        hypotheses: The Gaussians, all over the same grid; at least one.
        warp: Map from oriented user units to latent units.
        log_prior: Log prior weight of each hypothesis; None weighs all alike.
        temper: Power of the evidence in the weights, in (0, 1]; below 1 where readings are less independent than any
            hypothesis allows for.
        doubt: How little was learnt from sources, in [0, 1]; see `Belief.doubt`.
    """

    def __init__(
        self,
        hypotheses: Sequence[Hypothesis],
        warp: Warp,
        log_prior: Sequence[float] | None = None,
        *,
        temper: float = 1.0,
        doubt: float = 0.0,
    ) -> None:
        self._hypotheses = tuple(hypotheses)
        self._temper, self._doubt = temper, doubt
        self._warp = warp
        prior = torch.zeros(len(self._hypotheses)) if log_prior is None else torch.tensor(log_prior)
        self._log_prior = torch.log_softmax(prior.to(torch.float64), 0)

    @property
    def n_epoch(self) -> int:
        """Length of a full training."""
        return self._hypotheses[0].n_epoch

    @property
    def doubt(self) -> float:
        """How little was learnt from sources, in [0, 1]."""
        return self._doubt

    @property
    def warp(self) -> Warp:
        """Map from oriented user units to latent units."""
        return self._warp

    @property
    def components(self) -> tuple[Hypothesis, ...]:
        """The hypotheses, in the order of `weights`."""
        return self._hypotheses

    @property
    def weights(self) -> Tensor:
        """Posterior weight of each hypothesis, ``(n_component,)``, on the CPU."""
        return torch.softmax(self._log_prior + self._temper * self._evidence(), 0)

    @property
    def log_evidence(self) -> float:
        """Log density of all readings so far, in latent units."""
        return float(torch.logsumexp(self._log_prior + self._evidence(), 0))

    def _evidence(self) -> Tensor:
        return torch.tensor([h.log_evidence for h in self._hypotheses], dtype=torch.float64)

    def observe(self, config: int, epoch: int, value: float) -> None:
        """Condition on one reading, given in oriented user units."""
        latent = float(self._warp.forward(torch.tensor(value, dtype=torch.float64)))
        self._observe_latent(config, epoch, latent)

    def fantasize(self, config: int, epoch: int) -> None:
        """Condition on a reading that is still out, as if it came back just as expected."""
        means = [float(h.mean()[config, epoch]) for h in self._hypotheses]
        expected = sum(w * m for w, m in zip(self.weights.tolist(), means, strict=True))
        self._observe_latent(config, epoch, expected)

    def _observe_latent(self, config: int, epoch: int, latent: float) -> None:
        for hypothesis in self._hypotheses:
            hypothesis.observe(config, epoch, latent)

    def fork(self) -> MixtureBelief:
        """Return an independent copy."""
        twin = MixtureBelief.__new__(MixtureBelief)
        twin.__dict__.update(self.__dict__)
        twin._hypotheses = tuple(h.fork() for h in self._hypotheses)
        return twin

    def predict(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of readings, each ``(n_config, n_epoch)``; of some rows, or of all."""
        rows = slice(None) if configs is None else configs
        means = [h.reading_mean()[rows] for h in self._hypotheses]
        variances = [h.reading_variance()[rows] for h in self._hypotheses]
        return unwarp_moments(self._warp, *self._pool(means, variances))

    def best_by(self, configs: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `predict` says of some cells: this surrogate knows readings, not their maximum."""
        means = [h.reading_mean()[configs, epochs] for h in self._hypotheses]
        variances = [h.reading_variance()[configs, epochs] for h in self._hypotheses]
        return self._pool(means, variances)

    def worth(self) -> Tensor:
        """Return every configuration's expected value, ``(n_config,)``."""
        return self.values().mean

    def outlook(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Outlook:
        """Return what further readings may change (see `Belief.outlook`)."""
        weights = self.weights.tolist()
        parts = [(w, h) for w, h in zip(weights, self._hypotheses, strict=True) if w > _NEGLIGIBLE]
        total = sum(w for w, _ in parts)
        mean, slope = torch.zeros(len(rows)), torch.zeros(len(rows), len(configs))
        for weight, hypothesis in parts:
            values = hypothesis.value_mean()
            at = [index.to(values.device) for index in (rows, configs, epochs)]
            spread = hypothesis.reading_variance()[at[1], at[2]].clamp_min(1e-300).sqrt()
            mean = mean.to(values) + weight / total * values[at[0]]
            slope = slope.to(values) + weight / total * hypothesis.value_covariance(*at) / spread
        variance = self.latent_values()[1][rows.to(mean.device)]
        return Outlook(mean, variance, torch.full_like(mean, -torch.inf), slope)

    def values(self) -> Prediction:
        """Return mean and standard deviation of every configuration's value, each ``(n_config,)``."""
        return unwarp_moments(self._warp, *self.latent_values())

    def latent_values(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of values in latent units, each ``(n_config,)``."""
        means = [h.value_mean() for h in self._hypotheses]
        variances = [h.value_variance() for h in self._hypotheses]
        return self._pool(means, variances)

    def _pool(self, means: Sequence[Tensor], variances: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and variance of the mixture."""
        weights = self.weights.tolist()
        mean, variance = torch.zeros_like(means[0]), torch.zeros_like(means[0])
        for weight, part in zip(weights, means, strict=True):
            mean += weight * part
        for weight, part, own in zip(weights, means, variances, strict=True):
            variance += weight * (own + (part - mean).square())
        return mean, variance
