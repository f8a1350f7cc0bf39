"""All hypotheses conditioned on the target's readings at once, one reading at a time.

For each hypothesis the inverse of an incremental Cholesky factor of the readings' covariance is kept, and with it mean
and variance of every configuration's value (the last column). A reading costs O(n_hypothesis (n^2 + (n_source +
n_tried) n_config)) for n readings of n_tried configurations so far, since that is the rank of what they say of values,
however many epochs were read; covariances are computed when somebody asks, for the hypotheses that matter. Long runs
are thinned out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from at2.surrogate.transfer.conditioned.hypotheses import Hypotheses
from at2.surrogate.transfer.conditioned.thinning import thinned
from at2.surrogate.transfer.conditioned.triangle import Triangle

_MOST = 512  # readings, from which on curves are thinned out
_JITTER = 1e-4  # noise variance of a reading beyond the epoch covariance, in units of s^2
_LEAST_OF_RISE = 1e-9  # variance of how a curve goes on, likewise


class Posterior:
    """The state of knowledge after n readings.

    With readings ``y``, location ``m0`` and prior mean ``mu``, every hypothesis holds ``L`` with ``L L' = K / s^2``,
    ``a = L^-1 (y - m0)`` and ``b = L^-1 mu``: for a scale s the whitened innovation is ``a / s - b``, so that the
    posterior mean is affine in s and a grid over s costs nothing.

    Args:
        hypotheses: The grid.
        temper: Power of the likelihood in the weights of hypotheses, in (0, 1]: below 1 because readings are less
            independent than any hypothesis says.
        count: As how many independent readings all of them count in the weights, however many they are: the power
            is besides at most ``count / (count + n)`` after n readings.
        reach: Readings further than this many standard deviations below what is expected of them are drawn in to
            there: that one training failed says little about how far others deviate.
        most: Readings from which on curves are thinned out to half of them, if that is possible.
    """

    def __init__(
        self,
        hypotheses: Hypotheses,
        *,
        temper: float = 0.15,
        count: float = math.inf,
        reach: float = math.inf,
        most: int = _MOST,
    ) -> None:
        prior = hypotheses.prior
        n_hypothesis, like = len(hypotheses), prior.mean
        self.hypotheses, self.temper, self.count, self.reach = hypotheses, temper, count, reach
        self.most, self.n = most, 0
        self._inverse = Triangle(like.new_zeros(n_hypothesis, 0, 0))  # of the factor
        self._whitened = like.new_zeros(n_hypothesis, 0, 2)
        self._tried = torch.zeros(0, dtype=torch.long, device=like.device)  # distinct configurations, and for each
        self._together = like.new_zeros(0, prior.n_config)  # how its deviation goes with all others'
        self._of = torch.zeros(0, dtype=torch.long, device=like.device)  # which of them each reading is of
        self._configs = torch.zeros(0, dtype=torch.long, device=like.device)
        self._columns = torch.zeros(0, dtype=torch.long, device=like.device)
        self._rows = torch.arange(prior.n_config, device=like.device)
        self._last = torch.full_like(self._rows, prior.n_epoch)
        self._real = torch.zeros(0, dtype=torch.bool, device=like.device)  # which readings are not fantasies
        self._quadratic = like.new_zeros(n_hypothesis, 3)  # sums of a^2, a b, b^2 over real readings
        self._log_det = like.new_zeros(n_hypothesis)
        self._n_real = 0
        self._drawn_in = like.new_zeros(n_hypothesis, 3)  # what of these sums is of readings that were drawn in
        self._n_drawn_in = 0
        self._start_values()
        self._weigh()

    def fork(self) -> Posterior:
        """Return an independent copy; no tensor is changed in place once it can be seen from two of them."""
        twin = Posterior.__new__(Posterior)
        twin.__dict__.update(self.__dict__)
        return twin

    def observe(self, config: int, column: int, latent: float) -> None:
        """Condition on one reading in latent units."""
        self._append(config, column, latent)
        if self.n >= self.most:
            self._thin_out()

    def fantasize(self, config: int, column: int) -> None:
        """Condition on a reading as if it came out just as every hypothesis expects; weights stay as they are."""
        self._append(config, column, None)

    def _append(self, config: int, column: int, latent: float | None) -> None:
        h, n = self.hypotheses, self.n
        device = self._rows.device
        cell = (torch.tensor([config], device=device), torch.tensor([column], device=device))
        variance = h.variance(*cell)[:, 0] + _JITTER
        past = (self._configs, self._columns)
        to_past = h.covariance(past, cell)  # (n_hypothesis, n, 1)
        before = self._inverse.matrix
        row = (before @ to_past)[..., 0]
        pivot = (variance - row.square().sum(1)).clamp_min(1e-8).sqrt()
        explained = torch.einsum("hn,hnk->hk", row, self._whitened)
        b = (h.mean(*cell)[..., 0] - explained[:, 1]) / pivot
        if latent is None:
            a = self.scale_mean * b
        else:
            above, lowest = latent - h.prior.location, self._lowest(explained[:, 0], b, pivot)
            a = (max(above, lowest) - explained[:, 0]) / pivot
            squares = torch.stack([a * a, a * b, b * b], 1)
            self._quadratic = self._quadratic + squares
            if above < lowest:
                self._drawn_in, self._n_drawn_in = self._drawn_in + squares, self._n_drawn_in + 1
            self._log_det = self._log_det + pivot.log()
            self._n_real += 1
        expected = (row[:, None] @ before)[:, 0]
        innovation = torch.cat([-expected, torch.ones_like(pivot)[:, None]], 1) / pivot[:, None]
        self._inverse = self._inverse.with_row(innovation)
        self._remember(*cell, real=latent is not None)
        self._whitened = torch.cat([self._whitened, torch.stack([a, b], 1)[:, None]], 1)
        self.n = n + 1
        self._tell_values(n)
        self._weigh()

    def _thin_out(self) -> None:
        """Go on as if only some of the readings of every curve had been told."""
        kept = thinned(self._configs, self._columns, most=self.most // 2) | ~self._real
        told = torch.linalg.solve_triangular(self._inverse.matrix, self._whitened, upper=False)[:, kept]
        self._of, self._real = self._of[kept], self._real[kept]
        self._configs, self._columns = self._configs[kept], self._columns[kept]
        self.n = len(self._configs)
        self.most = max(self.most, 2 * self.n)
        cells = (self._configs, self._columns)
        covariance = self.hypotheses.covariance(cells, cells)
        variance = self.hypotheses.variance(*cells) + _JITTER  # noise of first readings included
        covariance.diagonal(dim1=1, dim2=2).copy_(variance)
        factor = torch.linalg.cholesky(covariance)
        self._whitened = torch.linalg.solve_triangular(factor, told, upper=False)
        self._inverse = Triangle.of(torch.linalg.solve_triangular(factor, torch.eye(self.n).to(factor), upper=False))
        a, b = self._whitened[:, self._real].unbind(2)
        self._quadratic = torch.stack([(a * a).sum(1), (a * b).sum(1), (b * b).sum(1)], 1)
        self._drawn_in, self._n_drawn_in = torch.zeros_like(self._drawn_in), 0
        self._log_det = factor.diagonal(dim1=1, dim2=2)[:, self._real].log().sum(1)
        self._n_real = int(self._real.sum())
        self._start_values()
        for k in range(self.n):
            self._tell_values(k)
        self._weigh()

    def _start_values(self) -> None:
        h = self.hypotheses
        self.value_variance_unit = h.variance(self._rows, self._last)
        self._shift = h.prior.mean.new_zeros(len(h), h.prior.n_config, 2)  # what readings add to values: by a, and by b

    def _tell_values(self, k: int) -> None:
        """Take into account what the innovation of reading k has to do with every value."""
        cells, of = (self._configs[: k + 1], self._columns[: k + 1]), self._of[: k + 1]
        innovation = self._inverse.matrix[:, k, : k + 1]
        to_values = self.hypotheses.with_values(innovation, cells, (self._together, of))
        self.value_variance_unit = self.value_variance_unit - to_values.square()
        self._shift = self._shift + to_values[:, :, None] * self._whitened[:, k, None, :]

    def _remember(self, config: Tensor, column: Tensor, *, real: bool) -> None:
        """Note which cell is read, and how its configuration goes with all others if it is a new one; ``(1,)`` each."""
        of = torch.nonzero(self._tried == config)[:, 0]
        if not len(of):
            of = torch.full_like(config, len(self._tried))
            self._tried = torch.cat([self._tried, config])
            self._together = torch.cat([self._together, self.hypotheses.prior.together.with_all(config)])
        self._of = torch.cat([self._of, of])
        self._configs, self._columns = torch.cat([self._configs, config]), torch.cat([self._columns, column])
        self._real = torch.cat([self._real, self._real.new_tensor([real])])

    def _lowest(self, explained: Tensor, b: Tensor, pivot: Tensor) -> float:
        """The least that a reading counts as, above the location; the arguments are those of `_append`."""
        if math.isinf(self.reach):
            return -math.inf
        expected = explained + self.scale_mean * b * pivot
        scale_variance = (self.scale_square - self.scale_mean.square()).clamp_min(0.0)
        variance = pivot.square() * (self.scale_square + scale_variance * b.square())
        mean = self.weights @ expected
        return float(mean - self.reach * (self.weights @ (variance + (expected - mean).square())).sqrt())

    def _weigh(self) -> None:
        h, s = self.hypotheses, self.hypotheses.scales
        if h.prior.has_own_unit:
            s = self._likely_unit() * s
        self._scales, self.log_likelihood = s, self._log_likelihood(s)
        power = min(self.temper, 1.0 / (1.0 + self._n_real / self.count))
        joint = torch.softmax((power * self.log_likelihood + self._log_prior()).flatten(), 0)
        joint = joint.reshape(len(h), -1)
        self.weights = joint.sum(1)
        share = joint / self.weights[:, None].clamp_min(1e-300)
        self.scale_mean = share @ s
        self.scale_square = share @ s.square()

    def _log_likelihood(self, s: Tensor) -> Tensor:
        """Log density of the readings under each hypothesis and scale, ``(n_hypothesis, n)``, up to a constant."""
        return -0.5 * _squares(self._quadratic, s) - self._log_det[:, None] - self._n_real * s.log()

    def _likely_unit(self) -> Tensor:
        """What the grid of scales is centred at where each task has its own unit, in units of the prior's scale.

        The likelihood counts in full for this: under a power of it many readings would leave the unit open.
        """
        h = self.hypotheses
        likelihood = self._log_likelihood(math.exp(h.prior.log_scale) * h.units)
        joint = likelihood + h.log_prior[:, None] + h.log_prior_unit
        likely = torch.softmax(torch.logsumexp(joint, 0), 0)
        return (likely @ h.units.log()).exp()

    def _log_prior(self) -> Tensor:
        joint: Tensor = self.hypotheses.log_prior[:, None] + self.hypotheses.log_prior_scale
        return joint

    def surprise(self) -> float:
        """Return by how many standard deviations the readings surprise even the likeliest hypothesis and scale.

        Under it the squares of n innovations sum to n, with a standard deviation of ``sqrt(2 n)``. Readings that were
        drawn in do not count: trainings that fail say nothing of how others go.
        """
        n = self._n_real - self._n_drawn_in
        likeliest = int((self.log_likelihood + self._log_prior()).argmax())
        squares = _squares(self._quadratic - self._drawn_in, self._scales).flatten()[likeliest]
        return (float(squares) - n) / math.sqrt(2.0 * n) if n else 0.0

    def log_evidence(self) -> float:
        """Log density of the readings, the hypotheses averaged over; up to a constant that n alone decides."""
        log_prior = self._log_prior()
        log_prior = log_prior - torch.logsumexp(log_prior.flatten(), 0)
        return float(torch.logsumexp((self.log_likelihood + log_prior).flatten(), 0))

    def leading(self, n: int) -> Tensor:
        """Return the n hypotheses of the largest weight."""
        return self.weights.topk(min(n, len(self.hypotheses))).indices

    def value_moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of every configuration's value under each hypothesis, ``(n_hypothesis, n_config)``.

        The scale is averaged over: its own variance counts as well.
        """
        above = self.hypotheses.mean(self._rows, self._last) - self._shift[:, :, 1]
        mean = self.hypotheses.prior.location + self._shift[:, :, 0] + self.scale_mean[:, None] * above
        scale_variance = (self.scale_square - self.scale_mean.square()).clamp_min(0.0)
        variance = self.value_variance_unit.clamp_min(1e-10) * self.scale_square[:, None]
        return mean, variance + scale_variance[:, None] * above.square()

    @property
    def scale(self) -> float:
        """Expected scale of the target."""
        return float(self.weights @ self.scale_mean)

    def expected(self, config: int, column: int) -> tuple[float, float]:
        """Return mean and variance of a reading of one cell, hypotheses averaged over, in latent units."""
        return self.expected_of([config], [column])[0]

    def expected_of(self, configs: Sequence[int], columns: Sequence[int]) -> list[tuple[float, float]]:
        """Return mean and variance of a reading of each of some cells, as `expected` does of one."""
        device = self._rows.device
        cells = (torch.tensor(configs, device=device), torch.tensor(columns, device=device))
        means, variances = self.cell_moments(*cells, torch.arange(len(self.weights), device=device))
        mean = self.weights @ means
        variance = self.weights @ (variances + (means - mean).square())
        return list(zip(mean.tolist(), variance.tolist(), strict=True))

    def value_variance(self) -> Tensor:
        """Return the variance of every value, the scale taken as known, ``(n_hypothesis, n_config)``."""
        return self.value_variance_unit.clamp_min(1e-10) * self.scale_mean.square()[:, None]

    def cell_moments(self, configs: Tensor, columns: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of n cells under some hypotheses, each ``(n_which, n)``."""
        projected = self._project(configs, columns, which)
        whitened = self._whitened[which]
        above = self.hypotheses.mean(configs, columns, which) - torch.einsum("hnc,hn->hc", projected, whitened[..., 1])
        mean = torch.einsum("hnc,hn->hc", projected, whitened[..., 0]) + self.hypotheses.prior.location
        mean = mean + self.scale_mean[which, None] * above
        variance = self.hypotheses.variance(configs, columns, which) - projected.square().sum(1)
        scale_variance = (self.scale_square - self.scale_mean.square()).clamp_min(0.0)[which, None]
        return mean, variance.clamp_min(_JITTER) * self.scale_square[which, None] + scale_variance * above.square()

    def rise_moments(self, configs: Tensor, columns: Tensor, read: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return by how much curves rise above their last readings up to n cells, noise left out.

        Args:
            configs: Configurations of the cells, shape ``(n,)``.
            columns: Their columns, ``(n,)``.
            read: Column of the last reading of each of these configurations before that, ``(n,)``; negative where
                there is none: then what is said is how far the curve is above the location.
            which: Hypotheses to compute.

        Returns:
            Mean and variance in latent units, each ``(n_which, n)``.
        """
        h, begun, start = self.hypotheses, read >= 0, read.clamp_min(0)
        past = (self._configs, self._columns)
        (curves, ends), of = torch.unique(torch.stack([configs, start]), dim=1, return_inverse=True)
        from_start = h.covariance(past, (curves, ends), which, noisy=False)[:, :, of]
        cross = h.covariance(past, (configs, columns), which, noisy=False) - begun * from_start
        projected = self._inverse.times(cross, which)
        whitened = self._whitened[which]
        above = h.mean(configs, columns, which) - begun * h.mean(configs, start, which)
        above = above - torch.einsum("hnc,hn->hc", projected, whitened[..., 1])
        mean = torch.einsum("hnc,hn->hc", projected, whitened[..., 0]) + self.scale_mean[which, None] * above
        variance = h.rise_variance(configs, columns, read, which) - projected.square().sum(1)
        scale_variance = (self.scale_square - self.scale_mean.square()).clamp_min(0.0)[which, None]
        variance = variance.clamp_min(_LEAST_OF_RISE) * self.scale_square[which, None]
        return mean, variance + scale_variance * above.square()

    def in_full(self) -> Posterior:
        """Return a copy whose hypotheses are weighed by the likelihood in full, not by a power of it."""
        twin = self.fork()
        twin.temper, twin.count = 1.0, math.inf
        twin._weigh()
        return twin

    def value_slopes(self, rows: Tensor, configs: Tensor, columns: Tensor, which: Tensor) -> Tensor:
        """Return what one standard deviation of a further reading adds to values, ``(n_which, n_rows, n_cells)``."""
        last = self._last[: len(rows)]
        both = self._project(torch.cat([rows, configs]), torch.cat([last, columns]), which)
        of_values, projected = both[:, :, : len(rows)], both[:, :, len(rows) :]
        covariance = self.hypotheses.covariance((rows, last), (configs, columns), which)
        covariance = covariance - of_values.mT @ projected
        variance = self.hypotheses.variance(configs, columns, which) + _JITTER - projected.square().sum(1)
        return covariance / variance.clamp_min(1e-8).sqrt()[:, None, :] * self.scale_mean[which, None, None]

    def value_covariance(self, rows: Tensor, which: Tensor) -> Tensor:
        """Return the covariance of the values of n configurations, ``(n_which, n, n)``, in latent units."""
        last = self._last[: len(rows)]
        covariance = self.hypotheses.covariance((rows, last), (rows, last), which)
        projected = self._project(rows, last, which)
        covariance = covariance - projected.mT @ projected
        return covariance * self.scale_square[which, None, None]

    def source_weights(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the weight of every source under some hypotheses, each ``(n_which, n_source)``.

        Weights sum to about 1 for a target that is an average of its sources.
        """
        h = self.hypotheses
        n_source = h.prior.sources.shape[0]
        spread = h.weight_variance[which]
        cross = h.source_features(self._configs, self._columns, which) * spread[:, None, None]
        projected = self._inverse.times(cross, which)
        innovation = self._whitened[which, :, 0] / self.scale_mean[which, None] - self._whitened[which, :, 1]
        mean = torch.einsum("hns,hn->hs", projected, innovation)
        variance = spread[:, None] - projected.square().sum(1)
        n = max(n_source, 1)
        return h.prior.shares + mean / n**0.5, variance.clamp_min(0.0) / n

    def _project(self, configs: Tensor, columns: Tensor, which: Tensor) -> Tensor:
        """``L^-1`` times the covariance of the readings with cells, ``(n_which, n, n_cells)``."""
        past = (self._configs, self._columns)
        cross = self.hypotheses.covariance(past, (configs, columns), which)
        return self._inverse.times(cross, which)


def _squares(sums: Tensor, s: Tensor) -> Tensor:
    """Sum of the squared innovations under each hypothesis and scale, ``(n_hypothesis, n)``."""
    aa, ab, bb = (sums[:, k, None] for k in range(3))
    return aa / s**2 - 2.0 * ab / s + bb
