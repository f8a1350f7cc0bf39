"""The belief of the default surrogate: averaged hypotheses, in the user's units, and never below what was seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from at2.surrogate.belief import Outlook, Prediction
from at2.surrogate.numerics.limited import at_least
from at2.surrogate.numerics.quantiles import mixture_log_density, mixture_quantile
from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.ways import longest_plateau
from at2.surrogate.transfer.watched.falls import Falls
from at2.surrogate.transfer.watched.plateau import Plateau
from at2.surrogate.transfer.watched.watch import Watch
from at2.surrogate.warp import LogWarp, Warp, unwarp_moments

_N_LEADING = 6  # hypotheses of the largest weight, for decisions and draws
_N_CELLS = 2000  # cells predicted at a time
_CAUTION = 1.0  # standard deviations below its expected value that a configuration is counted on to reach
_OUT_OF_REACH = 30.0  # readings further than this many scales from the sources' location are drawn in


class WeightedBelief:
    """What is believed about one target, behind the `Belief` protocol.

    The value of a configuration is the best reading of its full curve. It is at least the best reading seen, and known
    once the curve is complete. Decisions are therefore about curves of the best reading up to each epoch, and see the
    deviations of the leading configurations in all.

    Readings themselves, which also fall, have hypotheses of their own, made and told what was observed only when
    somebody asks `predict`, `interval` or `log_density`.

    Args:
        posterior: The hypotheses about the best reading up to each epoch.
        warp: Map from oriented user units to latent units.
        readings: Makes the hypotheses about readings, before the first of them.
    """

    def __init__(self, posterior: Posterior, warp: Warp, *, readings: Callable[[], Posterior]) -> None:
        prior = posterior.hypotheses.prior
        self._posterior, self._warp = posterior, warp
        self._start = readings
        self._readings: Posterior | None = None
        self._pending: tuple[tuple[int, int, float | None], ...] = ()  # what those about readings have not been told
        failures = prior.failures_to_watch()
        self._watch = None if failures is None else Watch.begin(posterior, failures)
        self._falls = Falls.none(prior.n_config, like=prior.mean)
        may_be_late = len(prior.sources) and not prior.has_own_unit  # what is early is said by sources, in their unit
        self._plateau = Plateau(longest_plateau(prior.ways) if may_be_late else 0)
        self._best = prior.mean.new_full((prior.n_config,), -math.inf)
        self._nothing = -math.inf  # what a loss of 0 is read as, in latent units
        self._length = torch.zeros(prior.n_config, dtype=torch.long, device=self._best.device)

    @property
    def n_epoch(self) -> int:
        """Length of a full training."""
        return self._posterior.hypotheses.prior.n_epoch

    @property
    def doubt(self) -> float:
        """How little the sources agree, in [0, 1]; 1 without any."""
        return self._posterior.hypotheses.prior.doubt

    @property
    def weights(self) -> Tensor:
        """Posterior weight of each hypothesis, ``(n_component,)``, on the CPU."""
        return self._posterior.weights.cpu()

    @property
    def components(self) -> Sequence[HypothesisView]:
        """One view of each hypothesis, in the order of `weights`."""
        return [HypothesisView(self, k) for k in range(len(self._posterior.hypotheses))]

    @property
    def log_evidence(self) -> float:
        """Log density of all readings so far, in latent units, up to a constant that their number alone decides."""
        return self._posterior.log_evidence()

    @property
    def surprise(self) -> float:
        """By how many standard deviations the readings surprise even the hypothesis that they fit best."""
        return self._posterior.surprise()

    @property
    def sees_plateau(self) -> bool:
        """Whether the readings look as if curves stayed on a plateau from which those of the sources had risen."""
        return self._plateau.is_seen

    def observe(self, config: int, epoch: int, value: float) -> None:
        """Condition on one reading, given in oriented user units."""
        latent = self._draw_in(self._read(value))
        best, length = float(self._best[config]), int(self._length[config])
        self._falls = self._falls.observe(config, latent, best=best, scale=self._posterior.scale)
        if not bool(self._falls.lost[config]):
            self._look_for_plateau(config, epoch, max(best, latent), is_new=epoch >= length)
            self._condition(config, epoch, max(best, latent) if epoch >= length else latent)
        self._pending += ((config, epoch, latent),)
        self._best, self._length = self._best.clone(), self._length.clone()
        self._best[config] = max(best, latent)
        self._length[config] = max(length, epoch + 1)

    def _look_for_plateau(self, config: int, epoch: int, latent: float, *, is_new: bool) -> None:
        if is_new and self._plateau.looks_at(config, epoch):
            expected = self._posterior.expected(config, epoch)
            scale = math.exp(self._posterior.hypotheses.prior.log_scale)
            self._plateau = self._plateau.observe(config, epoch, latent, expected=expected, scale=scale)

    def _condition(self, config: int, epoch: int, latent: float) -> None:
        if self._watch is None:
            self._posterior.observe(config, epoch, latent)
        else:
            self._watch = self._watch.observe(config, epoch, latent)
            self._posterior = self._watch.posterior

    def _read(self, value: float) -> float:
        """A value in latent units; a loss of 0 counts as half of the target's least other one, if not as less."""
        latent = float(self._warp.forward(torch.tensor(value, dtype=self._best.dtype)))
        if isinstance(self._warp, LogWarp):
            self._nothing = max(self._nothing, latent if value >= 0.0 else latent + math.log(2.0))
            return self._nothing if value >= 0.0 else latent
        return latent

    def _draw_in(self, latent: float) -> float:
        hypotheses = self._posterior.hypotheses
        prior, largest = hypotheses.prior, hypotheses.prior.log_scale + hypotheses.unit_reach
        reach = _OUT_OF_REACH * math.exp(largest) * math.sqrt(prior.location_variance)
        return min(max(latent, prior.location - reach), prior.location + reach)

    def fantasize(self, config: int, epoch: int) -> None:
        """Condition on a reading that is still out, as if it came back just as expected."""
        if self._watch is None:
            self._posterior.fantasize(config, epoch)
        else:
            self._watch = self._watch.fantasize(config, epoch)
            self._posterior = self._watch.posterior
        self._pending += ((config, epoch, None),)

    def fork(self) -> WeightedBelief:
        """Return an independent copy."""
        twin = WeightedBelief.__new__(WeightedBelief)
        twin.__dict__.update(self.__dict__)
        twin._posterior = self._posterior.fork()
        return twin

    def _of_readings(self) -> Posterior:
        """The hypotheses about readings, told what they missed."""
        if self._readings is None:
            self._readings = self._start()
        if self._pending:
            told = self._readings.fork()
            for config, epoch, latent in self._pending:
                if latent is None:
                    told.fantasize(config, epoch)
                else:
                    told.observe(config, epoch, latent)
            self._readings, self._pending = told, ()
        return self._readings

    def best_by(self, configs: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the best reading up to some cells to come, by leading hypotheses, latent.

        Of a configuration that was read it is the best reading so far and how the curve is expected to go on. Noise of
        readings does not count: for the hypotheses it is whatever the other epochs do not tell, and the best reading
        so far does not rise by it.

        Args:
            configs: Rows of the cells, shape ``(m,)``.
            epochs: Their epochs, shape ``(m,)``.
        """
        posterior = self._posterior.in_full()
        which = posterior.leading(_N_LEADING)
        configs, epochs = configs.to(which.device), epochs.to(which.device)
        read = self._length[configs]
        moments = _in_parts(partial(posterior.rise_moments, which=which), configs, epochs, read - 1)
        mean, variance = self._pool(*moments, posterior.weights[which])
        start = torch.where(read > 0, self._best[configs], posterior.hypotheses.prior.location)
        known = self.known[configs] | (epochs < read)
        mean, variance = torch.where(known, 0.0, mean), torch.where(known, 1e-12, variance)
        return start + mean, variance

    def predict(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of readings, each ``(n_config, n_epoch)``.

        Args:
            configs: Rows to predict; None predicts all.
        """
        share, mean, variance = self._cells(self._of_readings(), configs)
        return unwarp_moments(self._warp, *self._pool(mean, variance, share))

    def interval(self, probability: float, configs: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the ends of central intervals of readings in user units, each ``(n_config, n_epoch)``.

        Args:
            probability: That a reading lies inside, in (0, 1).
            configs: Rows to predict; None predicts all.
        """
        parts, tail = self._cells(self._of_readings(), configs), 0.5 * (1.0 - probability)
        low, high = (mixture_quantile(*parts, p) for p in (tail, 1.0 - tail))
        return self._warp.inverse(low), self._warp.inverse(high)

    def log_density(self, values: Tensor, configs: Tensor | None = None) -> Tensor:
        """Return the log density of readings in latent units, ``(n_config, n_epoch)``; NaN stays NaN.

        Args:
            values: Readings in oriented user units, ``(n_config, n_epoch)``.
            configs: Their rows; None means all.
        """
        return mixture_log_density(
            *self._cells(self._of_readings(), configs), self._warp.forward(values.to(self._best))
        )

    @property
    def warp(self) -> Warp:
        """Map from oriented user units to latent units."""
        return self._warp

    def _cells(self, posterior: Posterior, configs: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Weights ``(n,)`` of the hypotheses, and their means and variances ``(n, n_config, n_epoch)``.

        All of them: the unlikely ones are the wide ones, and intervals need those.
        """
        prior = posterior.hypotheses.prior
        device = prior.mean.device
        rows = torch.arange(prior.n_config, device=device) if configs is None else configs.to(device)
        which = torch.arange(len(posterior.hypotheses), device=device)
        cells = torch.cartesian_prod(rows, torch.arange(self.n_epoch, device=device)).reshape(-1, 2)
        mean, variance = _in_parts(partial(posterior.cell_moments, which=which), cells[:, 0], cells[:, 1])
        shape = (len(which), len(rows), self.n_epoch)
        return posterior.weights, mean.reshape(shape), variance.reshape(shape)

    def values(self) -> Prediction:
        """Return mean and standard deviation of every configuration's value, each ``(n_config,)``."""
        return unwarp_moments(self._warp, *self.latent_values())

    def worth(self) -> Tensor:
        """Return what every configuration may be counted on to be worth, ``(n_config,)``, in oriented user units.

        A standard deviation below its expected value, and not below the best reading seen: among configurations that
        are expected to be about equally good, the one is recommended of which more is known. That the target's scale
        is unknown does not count, nor that one of many sources may matter alone: that would speak against just those
        that stand out. One that was never read may fail, as it may have on the sources.
        """
        means, weights = self._posterior.value_moments()[0], self._posterior.weights
        bound = self._posterior.hypotheses.bound
        mean = self._pool(means, means, weights)[0]
        _, variance = self._pool(means[bound], self._posterior.value_variance()[bound], weights[bound])
        cautious = self._if_it_fails(mean - _CAUTION * variance.sqrt())
        cautious = torch.where(self.known, self._best, cautious)
        return self._warp.inverse(torch.maximum(cautious, self._best))

    def _if_it_fails(self, values: Tensor) -> Tensor:
        """Draw values of configurations that were never read towards those of failed ones, by how likely that is."""
        prior = self._posterior.hypotheses.prior
        if prior.failures is None:
            return values
        failed = prior.location + self._posterior.scale * prior.failures.mean[-1]
        lost = prior.failures.probability * (values - failed).clamp_min(0.0)
        return torch.where(self._length > 0, values, values - lost)

    def latent_values(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of values in latent units, each ``(n_config,)``."""
        return at_least(self._best, *self._value_moments())

    def _value_moments(self) -> tuple[Tensor, Tensor]:
        """The same, as if nothing were known of the best reading of a curve under way."""
        mean, variance = self._posterior.value_moments()
        mean, variance = self._pool(mean, variance, self._posterior.weights)
        known = self.known
        return torch.where(known, self._best, mean), torch.where(known, 1e-12, variance)

    @property
    def known(self) -> Tensor:
        """Of which configurations the value is known, ``(n_config,)``: they were trained in full, or failed."""
        known = (self._length >= self.n_epoch) | self._falls.lost
        return known if self._watch is None else known | self._watch.failed

    def outlook(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Outlook:
        """Return what further readings may change, slopes averaged over the leading hypotheses (see `Belief.outlook`).

        Args:
            rows: Configurations whose values matter, shape ``(n,)``.
            configs: Rows of the cells to read, shape ``(m,)``.
            epochs: Their epochs, shape ``(m,)``.
        """
        device = self._best.device
        rows, configs, epochs = rows.to(device), configs.to(device), epochs.to(device)
        which = self._posterior.leading(_N_LEADING)
        share = self._posterior.weights[which] / self._posterior.weights[which].sum()
        slopes = torch.einsum("h,hnm->nm", share, self._posterior.value_slopes(rows, configs, epochs, which))
        known = self.known  # nor do readings of what failed say anything: they would be left out
        slopes = torch.where(known[rows][:, None] | known[configs], 0.0, slopes)
        mean, variance = self._value_moments()
        return Outlook(mean[rows], variance[rows], self._best[rows], slopes)

    def sample_values(self, n_sample: int, *, seed: int = 0, rows: Tensor | None = None) -> Tensor:
        """Draw values of configurations jointly, in oriented user units.

        Args:
            n_sample: Number of draws.
            seed: Seed of the draws.
            rows: Configurations; None takes all.

        Returns:
            Tensor of shape ``(n_sample, n)``, on the CPU.
        """
        device = self._best.device
        rows = torch.arange(len(self._best), device=device) if rows is None else rows.to(device)
        generator = torch.Generator().manual_seed(seed)
        which = self._posterior.leading(_N_LEADING)
        picked = torch.multinomial(self._posterior.weights[which].cpu(), n_sample, True, generator=generator)
        mean = self._posterior.value_moments()[0][which][:, rows]
        covariance = self._posterior.value_covariance(rows, which)
        jitter = 1e-9 * covariance.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12)
        values, vectors = torch.linalg.eigh(covariance + jitter[:, None, None] * torch.eye(len(rows)).to(covariance))
        root = vectors * values.clamp_min(0.0).sqrt()[:, None, :]
        noise = torch.randn(n_sample, len(rows), generator=generator, dtype=mean.dtype).to(device)
        draws = mean[picked.to(device)] + torch.einsum("sij,sj->si", root[picked.to(device)], noise)
        draws = torch.maximum(draws, self._best[rows])
        draws = torch.where(self.known[rows], self._best[rows], draws)
        return self._warp.inverse(draws).cpu()

    def source_weights(self) -> Prediction:
        """Return mean and standard deviation of the weight of every source, each ``(n_source,)``.

        Before the first reading it is the share of the source (see `fitted.agreement.shares`), about 1 / n_source where
        all agree alike. Sources left out because their curves were all alike are not among them.
        """
        which = self._posterior.leading(_N_LEADING)
        mean, variance = self._posterior.source_weights(which)
        mean, variance = self._pool(mean, variance, self._posterior.weights[which])
        return Prediction(mean, variance.sqrt())

    @staticmethod
    def _pool(mean: Tensor, variance: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of a mixture whose parts lie along the first dimension."""
        share = (weights / weights.sum()).reshape(-1, *[1] * (mean.ndim - 1))
        pooled = (share * mean).sum(0)
        return pooled, (share * (variance + (mean - pooled).square())).sum(0)


def _in_parts(moments: Callable[..., tuple[Tensor, Tensor]], *cells: Tensor) -> tuple[Tensor, Tensor]:
    """Means and variances of m cells, each ``(n_which, m)``; some of them at a time keeps memory small."""
    split = zip(*(torch.split(part, _N_CELLS) for part in cells), strict=True)
    means, variances = zip(*(moments(*some) for some in split), strict=True)
    return torch.cat(means, 1), torch.cat(variances, 1)


class HypothesisView:
    """One Gaussian of a `WeightedBelief`, behind the `Component` protocol.

    Args:
        belief: The belief.
        index: Number of the hypothesis.
    """

    def __init__(self, belief: WeightedBelief, index: int) -> None:
        self._posterior, self._n_epoch = belief._posterior, belief.n_epoch
        self._which = torch.tensor([index], device=self._posterior.weights.device)

    def value_mean(self) -> Tensor:
        """Return the mean value of every configuration, ``(n_config,)``."""
        return self._posterior.value_moments()[0][self._which][0]

    def value_variance(self) -> Tensor:
        """Return the variance of the value of every configuration, ``(n_config,)``."""
        return self._posterior.value_moments()[1][self._which][0]

    def reading_mean(self) -> Tensor:
        """Return the mean of the best reading up to every cell, ``(n_config, n_epoch)``."""
        return self._cells()[0]

    def reading_variance(self) -> Tensor:
        """Return the variance of the best reading up to every cell, ``(n_config, n_epoch)``."""
        return self._cells()[1]

    def _cells(self) -> tuple[Tensor, Tensor]:
        n_config = self._posterior.hypotheses.prior.n_config
        device = self._which.device
        grid = torch.cartesian_prod(torch.arange(n_config), torch.arange(self._n_epoch)).reshape(-1, 2).to(device)
        mean, variance = self._posterior.cell_moments(grid[:, 0], grid[:, 1], self._which)
        return mean[0].reshape(n_config, -1), variance[0].reshape(n_config, -1)

    def value_covariance(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Tensor:
        """Return the covariance of the values of n configurations with the readings of m cells, ``(n, m)``."""
        _, variance = self._posterior.cell_moments(configs, epochs, self._which)
        return self._posterior.value_slopes(rows, configs, epochs, self._which)[0] * variance[0].sqrt()
