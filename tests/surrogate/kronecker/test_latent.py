"""at2/surrogate/kronecker/latent.py: equal to the dense Gaussian process on every mask."""

import pytest
import torch

from at2.surrogate.kronecker.exact import log_marginal, rotate_tasks
from at2.surrogate.kronecker.latent import LatentPosterior, WhiteCurves, log_evidence, update_rows, whiten
from tests.surrogate.dense import condition, log_density, random_psd

N, T = 5, 4
NAN = float("nan")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def masks() -> list[torch.Tensor]:
    """Complete curves, curves cut off, holes, and curves with nothing in them."""
    full = torch.ones(N, T, dtype=torch.bool)
    cut = torch.arange(T) < torch.tensor([4, 2, 1, 0, 3])[:, None]
    holes = full.clone()
    holes[0, 1] = holes[2, 0] = holes[4, 3] = False
    return [full, cut, holes]


@pytest.mark.parametrize("mask", masks(), ids=["complete", "cut", "holes"])
def test_mean_and_covariance_are_those_of_the_dense_process(mask: torch.Tensor, generator: torch.Generator) -> None:
    kernel, factor = random_psd(N + 2, generator), torch.randn(T, T, dtype=torch.float64, generator=generator)
    noise = 0.1 + torch.rand(T, dtype=torch.float64, generator=generator)
    curves = torch.randn(N, T, dtype=torch.float64, generator=generator)
    white = whiten(torch.where(mask, curves, NAN), factor, noise)
    mean, covariance = LatentPosterior(kernel[:N, :N], white).predict(kernel[:, :N], kernel.diagonal())

    dense = torch.kron(kernel, factor @ factor.T)
    scaled = dense.clone()  # heteroscedastic noise: on the diagonal of what is read
    cells = torch.nonzero(torch.cat([mask, torch.zeros(2, T, dtype=torch.bool)]).flatten())[:, 0]
    gram = scaled[cells][:, cells] + torch.diag(noise.repeat(N + 2)[cells])
    gain = torch.linalg.solve(gram, dense[cells]).T
    expected = (gain @ curves.flatten()[cells]).reshape(N + 2, T)
    left = (dense - gain @ dense[cells]).reshape(N + 2, T, N + 2, T)
    torch.testing.assert_close(mean @ factor.T, expected)
    for row in range(N + 2):
        torch.testing.assert_close(factor @ covariance[row] @ factor.T, left[row, :, row, :])


def test_curves_of_few_readings_say_as_much_in_fewer_numbers(generator: torch.Generator) -> None:
    kernel, factor = random_psd(N + 2, generator), torch.randn(T, 3, dtype=torch.float64, generator=generator)
    curves = torch.randn(N, T, dtype=torch.float64, generator=generator)
    curves[torch.arange(T) < torch.tensor([2, 3, 3, 4, 2])[:, None]] = NAN
    in_full, short = (whiten(curves, factor, torch.full((T,), 0.3).double(), rank=rank) for rank in (None, 2))
    assert short.roots.shape == (N, 2, 3)
    for one, other in zip(
        LatentPosterior(kernel[:N, :N], in_full).predict(kernel[:, :N], kernel.diagonal()),
        LatentPosterior(kernel[:N, :N], short).predict(kernel[:, :N], kernel.diagonal()),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    start = torch.zeros(N, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64).expand(N, 3, 3)
    for one, other in zip(update_rows(*start, in_full), update_rows(*start, short), strict=True):
        torch.testing.assert_close(one, other)
    evidence = [log_evidence(kernel[:N, :N], w, w.flat_roots @ w.flat_roots.T) for w in (in_full, short)]
    torch.testing.assert_close(*evidence)


def test_evidence_of_several_tasks_at_once_is_their_sum(generator: torch.Generator) -> None:
    factor = torch.randn(T, T, dtype=torch.float64, generator=generator)
    noise = torch.full((T,), 0.3, dtype=torch.float64)
    kernels = torch.stack([random_psd(N, generator) for _ in masks()])
    curves = torch.randn(len(masks()), N, T, dtype=torch.float64, generator=generator)
    white = [whiten(torch.where(mask, c, NAN), factor, noise) for mask, c in zip(masks(), curves, strict=True)]
    alone = [log_evidence(k, w, w.flat_roots @ w.flat_roots.T) for k, w in zip(kernels, white, strict=True)]
    together = WhiteCurves(torch.stack([w.roots for w in white]), torch.stack([w.targets for w in white]))
    roots = together.flat_roots
    torch.testing.assert_close(log_evidence(kernels, together, roots @ roots.mT), torch.stack(alone).sum())


def test_a_complete_task_gives_what_the_exact_engine_gives(generator: torch.Generator) -> None:
    """Both engines on the same complete curves: posterior by `condition`, evidence by `log_marginal`."""
    config, epoch = random_psd(N, generator), random_psd(T, generator)
    curves, noise = torch.randn(N, T, dtype=torch.float64, generator=generator), 0.2
    factor = torch.linalg.cholesky(epoch)
    white = whiten(curves, factor, torch.full((T,), noise, dtype=torch.float64))
    mean, covariance = LatentPosterior(config, white).predict(config, config.diagonal())
    dense = torch.kron(config, epoch)
    expected, left = condition(
        torch.zeros(N * T, dtype=torch.float64), dense, list(range(N * T)), curves.flatten(), noise
    )
    torch.testing.assert_close((mean @ factor.T).flatten(), expected)
    variance = torch.einsum("tp,npq,tq->nt", factor, covariance, factor)
    torch.testing.assert_close(variance.flatten(), left.diagonal())

    def evidence(kernel: torch.Tensor) -> torch.Tensor:
        return log_evidence(kernel, white, white.flat_roots @ white.flat_roots.T)

    def exact(kernel: torch.Tensor) -> torch.Tensor:
        zero, rotated = torch.zeros((), dtype=torch.float64), rotate_tasks(curves[None])
        return log_marginal(rotated, rho=zero, config=kernel, epoch=epoch, noise=torch.tensor(noise).double())

    torch.testing.assert_close(evidence(config) - evidence(2 * config), exact(config) - exact(2 * config))


def test_the_evidence_differs_from_the_dense_one_by_a_constant(generator: torch.Generator) -> None:
    mask, factor = masks()[1], torch.randn(T, 2, dtype=torch.float64, generator=generator)
    curves, noise = torch.randn(N, T, dtype=torch.float64, generator=generator), 0.3
    white = whiten(torch.where(mask, curves, NAN), factor, torch.full((T,), noise, dtype=torch.float64))
    gram = white.flat_roots @ white.flat_roots.T
    cells = torch.nonzero(mask.flatten())[:, 0]
    gaps = []
    for _ in range(3):
        kernel = random_psd(N, generator)
        dense = torch.kron(kernel, factor @ factor.T)[cells][:, cells] + noise * torch.eye(len(cells)).double()
        gaps.append(log_density(curves.flatten()[cells], dense) - log_evidence(kernel, white, gram))
    torch.testing.assert_close(torch.stack(gaps), gaps[0].expand(3))


def test_the_gradient_of_the_evidence(generator: torch.Generator) -> None:
    curves = torch.randn(3, T, dtype=torch.float64, generator=generator)
    white = whiten(curves, torch.randn(T, 2, dtype=torch.float64, generator=generator), torch.ones(T).double())
    gram, root = white.flat_roots @ white.flat_roots.T, random_psd(3, generator).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: log_evidence(r @ r.T, white, gram), root)
    twice = WhiteCurves(torch.stack([white.roots, 0.5 * white.roots]), torch.stack([white.targets, -white.targets]))
    grams = twice.flat_roots @ twice.flat_roots.mT  # two tasks, each with a kernel of its own
    roots = torch.stack([root, 2.0 * root]).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda r: log_evidence(r @ r.mT, twice, grams), roots)


def test_a_row_updated_on_its_own_curve_is_the_same_as_one_conditioned_with_the_others(
    generator: torch.Generator,
) -> None:
    factor, noise = torch.randn(T, 2, dtype=torch.float64, generator=generator), torch.ones(T).double()
    kernel, curves = random_psd(2, generator), torch.randn(2, T, dtype=torch.float64, generator=generator)
    curves[1, 2:] = NAN
    white = whiten(curves, factor, noise)
    together = LatentPosterior(kernel, white).predict(kernel, kernel.diagonal())
    first = LatentPosterior(kernel[:1, :1], white.select(torch.tensor([0])))
    apart = update_rows(*first.predict(kernel[1:, :1], kernel.diagonal()[1:]), white.select(torch.tensor([1])))
    torch.testing.assert_close(apart[0], together[0][1:])
    torch.testing.assert_close(apart[1], together[1][1:])
