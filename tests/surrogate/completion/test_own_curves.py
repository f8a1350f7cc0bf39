"""at2/surrogate/completion/own_curves.py: how deviations go over the epochs is found although curves were stopped."""

from dataclasses import replace

import torch

from at2.surrogate import History
from at2.surrogate.completion.complete import NeverRun, complete
from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.completion.own_curves import _draw, _knots, own_covariance
from at2.surrogate.transfer.fitted.prior import fit_prior
from at2.surrogate.transfer.fitted.sources import standardize
from at2.surrogate.warp import IdentityWarp

S, N, T = 8, 40, 12
NAN = float("nan")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(early: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Curves ``(S, N, T)`` in which only what is a source's own links early to late epochs with that correlation.

    What sources have in common of a configuration is the same at all epochs.
    """
    some = generator(seed)
    late = torch.randn(S, N, 1, generator=some, dtype=torch.float64)
    apart = torch.randn(S, N, 1, generator=some, dtype=torch.float64)
    at_first = early * late + (1 - early**2) ** 0.5 * apart
    own = torch.where(torch.arange(T) < 4, at_first, late)
    common = torch.randn(1, N, 1, generator=some, dtype=torch.float64)
    noise = 0.05 * torch.randn(S, N, T, generator=some, dtype=torch.float64)
    return 0.7 * common + 0.7 * own + noise, torch.rand(N, 2, generator=some, dtype=torch.float64)


def stopped(curves: torch.Tensor) -> torch.Tensor:
    """A third of the configurations of each source went on after three epochs, a third of those after six."""
    cut = curves.clone()
    for source, whole in zip(cut, curves, strict=True):
        order = torch.argsort(whole[:, 2], descending=True)
        source[order[N // 3 :], 3:] = NAN
        order = torch.argsort(whole[:, 5].where(torch.isfinite(source[:, 5]), -torch.inf), descending=True)
        source[order[N // 9 :], 6:] = NAN
    return cut


def test_what_early_readings_say_is_found_from_curves_that_were_stopped() -> None:
    def found(early: float) -> float:
        curves, points = draw(early)
        own = own_covariance(CurveList.of(stopped(curves)), points, generator=generator())
        assert own is not None
        assert own[-1, -1] == 1.0
        assert torch.linalg.eigvalsh(own).min() > 0
        correlation = own[:, -1] / own.diagonal().sqrt()
        assert correlation[-2] > 0.9  # the best of the curve goes with its end
        return float(correlation[1])

    assert found(0.1) < 0.45 < 0.7 < found(0.9)


def test_the_same_seed_gives_the_same_and_one_source_or_epoch_nothing() -> None:
    curves, points = draw(0.5)
    once, again = (own_covariance(CurveList.of(stopped(curves)), points, generator=generator(3)) for _ in range(2))
    assert once is not None
    assert again is not None
    assert torch.equal(once, again)
    assert own_covariance(CurveList.of(stopped(curves)[:1]), points, generator=generator()) is None
    assert own_covariance(CurveList.of(curves[:, :, :1]), points, generator=generator()) is None


def test_whole_curves_of_several_sources_are_drawn_within_the_limit() -> None:
    curves = torch.zeros(30, 50, 10, dtype=torch.float64)
    curves[:, ::2, 4:] = NAN
    cells = _draw(CurveList.of(curves), curves.shape[1], generator())
    assert 500 < len(cells.value) <= 600
    assert cells.source.unique().numel() >= 5
    ends = {(int(s), int(n)) for s, n, k in zip(cells.source, cells.config, cells.knot, strict=True) if k == 3}
    assert ends == {(int(s), int(n)) for s, n in zip(cells.source, cells.config, strict=True)}


def test_curves_that_were_logged_now_and_then_are_read_where_they_were() -> None:
    kept = torch.tensor([2, 5, 10])  # no other epoch was logged

    def found(early: float) -> float:
        curves, points = draw(early)
        logged = torch.full_like(curves, NAN)
        logged[..., kept] = stopped(curves)[..., kept]
        assert _knots(logged.flatten(0, 1)).tolist() == kept.tolist()
        assert _knots(curves.flatten(0, 1)).tolist() == [0, 1, 2, 3, 4, 6, 8, 11]
        own = own_covariance(CurveList.of(logged), points, generator=generator())
        assert own is not None
        return float(own[2, -1] / own[2, 2].sqrt())

    assert found(0.1) < 0.45 < 0.7 < found(0.9)


def told_of(curves: torch.Tensor, points: torch.Tensor) -> NeverRun | None:
    return complete(History(curves[:, None], points), warp=IdentityWarp(), best_so_far=True).never_run


def test_only_histories_with_gaps_whose_curves_broke_off_are_told() -> None:
    curves, points = draw(0.5)
    assert told_of(stopped(curves), points) is None
    curves[torch.arange(N) % S != torch.arange(S)[:, None]] = NAN  # configurations of its own on every source
    whole = told_of(curves, points)
    assert whole is not None
    assert whole.own is None
    curves[:, ::3, 3:] = NAN
    cut = complete(History(curves[:, None], points), warp=IdentityWarp(), best_so_far=True)
    assert cut.never_run is not None
    assert cut.never_run.own is not None

    def prior(told: NeverRun) -> torch.Tensor:
        sources = standardize(cut.mean, cut.variance, broken_off=cut.broken_off, never_run=told)
        return fit_prior(sources, points).epoch_covariances[0]

    with_it, without = prior(cut.never_run), prior(replace(cut.never_run, own=None))
    torch.testing.assert_close(with_it[-1, -1], without[-1, -1])
    assert float((with_it - without).abs().max()) > 0.05 * float(without.max())
