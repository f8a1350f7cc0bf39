"""BoTorch's latent Kronecker process as a predictor of a target's cells, with and without the source curves.

All is in latent units of the default surrogate's warp, so that log densities compare. Readings are standardized
together; predictions include the noise of a reading.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

_LEAST_NOISE = 1e-4  # of a reading, in units of the variance of all readings


@dataclass(frozen=True)
class LatentKroneckerFit:
    """How the process is fitted.

    Args:
        max_iter: Iterations of L-BFGS.
        n_epoch: Epochs of the source curves that are used, evenly spaced in their logarithm.
        n_config: Configurations of each source on which kernels are fitted; predictions use all.
    """

    max_iter: int = 50
    n_epoch: int = 6
    n_config: int = 15

    def predict(
        self, readings: Tensor, features: Tensor, sources: Tensor | None = None, *, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return mean and variance of every cell of the target.

        Tasks stand beside the hyperparameters as one column each, which is 1 for the curves of that task: the length
        scales of these columns say how far tasks are apart.

        Args:
            readings: The target's, shape ``(n_config, n_epoch)``, NaN where nothing was read; one at least.
            features: Encoded configurations, shape ``(n_config, n_column)``, NaN where inactive.
            sources: Curves of the sources, shape ``(n_source, n_config, n_epoch)``, NaN where nothing was run; None
                fits the target alone.
            seed: Draws the configurations on which kernels are fitted.

        Returns:
            Two tensors of shape ``(n_config, n_epoch)``.
        """
        x = torch.nan_to_num(features, nan=-0.5)
        t = torch.linspace(0.0, 1.0, readings.shape[1], dtype=x.dtype)[:, None]
        tried = torch.isfinite(readings).any(1)
        inputs, curves, fitted_on = x[tried], readings[tried], torch.arange(int(tried.sum()))
        if sources is not None:
            inputs, curves, fitted_on = self._stack(x, readings, tried, sources, seed)
            x = _with_task(x, len(sources), len(sources))
        columns = torch.isfinite(curves).any(0)
        return self._run(inputs, t[columns], curves[:, columns], fitted_on, x, t)

    def _stack(
        self, x: Tensor, readings: Tensor, tried: Tensor, sources: Tensor, seed: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Curves of the sources at few epochs, then those of the target; and the rows on which kernels are fitted."""
        n_source, _, n_epoch = sources.shape
        steps = torch.logspace(0.0, 1.0, self.n_epoch, base=float(n_epoch)).round().long().clamp(1, n_epoch) - 1
        thin = torch.full_like(sources, torch.nan)
        thin[:, :, steps] = sources[:, :, steps]
        generator = torch.Generator().manual_seed(seed)
        inputs, curves, chosen, n_row = [], [], [], 0
        for task in range(n_source):
            run = torch.isfinite(thin[task]).any(1)
            few = torch.randperm(int(run.sum()), generator=generator)[: self.n_config].sort().values
            inputs.append(_with_task(x[run], task, n_source))
            curves.append(thin[task, run])
            chosen.append(n_row + few)
            n_row += int(run.sum())
        inputs.append(_with_task(x[tried], n_source, n_source))
        own = n_row + torch.arange(int(tried.sum()))
        return torch.cat(inputs), torch.cat([*curves, readings[tried]]), torch.cat([*chosen, own])

    def _run(
        self, inputs: Tensor, epochs: Tensor, curves: Tensor, fitted_on: Tensor, x: Tensor, t: Tensor
    ) -> tuple[Tensor, Tensor]:
        from botorch.fit import fit_gpytorch_mll
        from botorch.models.latent_kronecker_gp import LatentKroneckerGP
        from gpytorch.constraints import GreaterThan
        from gpytorch.likelihoods import GaussianLikelihood
        from gpytorch.mlls import ExactMarginalLogLikelihood
        from gpytorch.settings import fast_computations

        seen = curves[torch.isfinite(curves)]
        shift, scale = seen.mean(), seen.std(correction=0).clamp_min(1e-6)
        z = (curves - shift) / scale
        noise = GaussianLikelihood(noise_constraint=GreaterThan(_LEAST_NOISE, initial_value=1e-2))
        with warnings.catch_warnings(), fast_computations(False, False, False):
            warnings.simplefilter("ignore")  # of a fit that stops at max_iter, and of jitter
            part = LatentKroneckerGP(inputs[fitted_on], epochs, z[fitted_on], likelihood=noise, outcome_transform=None)
            options = {"options": {"maxiter": self.max_iter}}
            fit_gpytorch_mll(ExactMarginalLogLikelihood(noise, part), optimizer_kwargs=options)
            kernels = {"covar_module_X": part.covar_module_X, "covar_module_T": part.covar_module_T}
            model = LatentKroneckerGP(inputs, epochs, z, likelihood=noise, outcome_transform=None, **kernels)
            model.eval()
            with torch.no_grad():
                posterior = model.posterior(x, t)
                mean, variance = posterior.mean.reshape(len(x), -1), posterior.variance.reshape(len(x), -1)
                return shift + scale * mean, scale.square() * (variance.clamp_min(0.0) + noise.noise)


def _with_task(x: Tensor, task: int, n_source: int) -> Tensor:
    """Features with a column for each task, the target's last."""
    columns = torch.zeros(len(x), n_source + 1, dtype=x.dtype)
    columns[:, task] = 1.0
    return torch.cat([x, columns], 1)
