"""at2/surrogate/completion/failed_curves.py: trainings that failed are told apart, and do not blur what others say."""

import numpy as np
import pytest
import torch

from at2.surrogate import History
from at2.surrogate.completion.complete import complete
from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.completion.failed_curves import excess_of_failing, find_failed, lower

N_EPOCH = 12


def curves_of(ends: torch.Tensor) -> CurveList:
    """Three sources of equally many flat curves that end there."""
    n = len(ends) // 3
    values = ends[:, None].expand(-1, 4).clone()
    return CurveList(values, torch.arange(3).repeat_interleave(n), torch.arange(n).repeat(3), n_source=3)


class TestFindFailed:
    ends = torch.randn(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def test_those_far_below_the_others_of_their_source(self) -> None:
        ends = self.ends.clone()
        ends[20:40] += 100.0  # another source, another place
        ends[[3, 25, 26, 27, 28, 29, 30, 31]] -= 9.0
        assert torch.nonzero(find_failed(ends, curves_of(ends)))[:, 0].tolist() == [3, 25, 26, 27, 28, 29, 30, 31]

    def test_none_where_none_stands_apart(self) -> None:
        assert not find_failed(self.ends, curves_of(self.ends)).any()
        assert not find_failed(torch.zeros(60).double(), curves_of(torch.zeros(60).double())).any()
        few = torch.tensor([0.0, 1.0, -99.0]).double()
        assert not find_failed(few, curves_of(few)).any()

    def test_none_where_poor_ones_lie_at_any_distance(self) -> None:
        ends = self.ends.clamp(-2.0, 2.0)
        poor = torch.arange(0, 60, 7)
        trailing, apart = ends.clone(), ends.clone()
        trailing[poor] = -torch.linspace(2.0, 5.5, len(poor)).double()
        apart[poor] = -torch.linspace(7.0, 7.5, len(poor)).double()
        assert not find_failed(trailing, curves_of(trailing)).any()
        assert torch.equal(torch.nonzero(find_failed(apart, curves_of(apart)))[:, 0], poor)

    def test_a_few_strays_do_not_hide_a_gap(self) -> None:
        ends = self.ends.clamp(-2.0, 2.0)
        ends[torch.arange(0, 60, 7)] = -torch.linspace(8.0, 9.0, 9).double()
        assert int(find_failed(ends, curves_of(ends)).sum()) == 9
        ends[1] = -4.0
        assert int(find_failed(ends, curves_of(ends)).sum()) == 9
        ends[[2, 3]] = torch.tensor([-5.5, -6.8]).double()
        assert not find_failed(ends, curves_of(ends)).any()

    def test_one_that_was_stopped_may_have_gone_on(self) -> None:
        ends = self.ends.clone()
        ends[[3, 4]] -= 9.0
        curves = curves_of(ends)
        curves.values[4, 2:] = torch.nan
        assert torch.nonzero(find_failed(ends, curves))[:, 0].tolist() == [3]


class TestExcess:
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(200, 2, generator=generator, dtype=torch.float64)
    asked = torch.tensor([[0.05, 0.5], [0.95, 0.5]], dtype=torch.float64)
    scales = torch.ones(2, dtype=torch.float64)

    def test_failures_in_a_region_are_expected_there(self) -> None:
        low, high = excess_of_failing(self.points[:, 0] > 0.7, self.points, self.asked, self.scales, seed=0).tolist()
        assert low < 0.05
        assert high > 0.5

    def test_failures_anywhere_say_nothing_of_anybody(self) -> None:
        anywhere = torch.rand(200, generator=self.generator) < 0.15
        assert float(excess_of_failing(anywhere, self.points, self.asked, self.scales, seed=0).max()) < 0.1

    def test_many_curves_are_drawn_by_the_seed(self) -> None:
        points = self.points.repeat(6, 1)
        failed = points[:, 0] > 0.7
        one, other = (excess_of_failing(failed, points, self.asked, self.scales, seed=3) for _ in range(2))
        assert torch.equal(one, other)
        assert float(one[1]) > 0.5


def test_a_mixture_of_both() -> None:
    mean, variance = torch.tensor([[[2.0, 3.0]] * 2]).double(), torch.ones(1, 2, 2).double()
    got, spread = lower(
        mean,
        variance,
        fallen=torch.tensor([[-2.0, 4.0]]).double(),
        excess=torch.tensor([0.25, 0.25]).double(),
        where=torch.tensor([[True, False]]),
    )
    assert got.tolist() == [[[1.0, 3.0], [2.0, 3.0]]]  # never better than it would have been
    assert spread.tolist() == [[[4.0, 1.0], [1.0, 1.0]]]


def history(failed: str, *, n: int = 14, n_source: int = 5) -> tuple[History, torch.Tensor]:
    """Sources with configurations of their own, best in the middle of one hyperparameter; and what all would reach.

    Args:
        failed: ``"anywhere"``, one in six at random, ``"above"``, where that hyperparameter is large, or ``"none"``.
    """
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(n_source * n, 2))
    ends = -1.0 - np.abs(x[:, 0] - 0.5) + 0.05 * rng.normal(size=(n_source, 1))  # (n_source, n_config)
    curves = ends[:, :, None] - 2.0 * np.exp(-np.arange(1, N_EPOCH + 1) / 3.0)
    curves += 0.01 * rng.normal(size=curves.shape)
    falls = {"anywhere": rng.uniform(size=len(x)) < 1 / 6, "above": x[:, 0] > 0.8, "none": np.zeros(len(x), dtype=bool)}
    curves[:, falls[failed], 1:] = curves[:, falls[failed], :1]  # it stays as poor as it was after an epoch
    mine = np.arange(len(x)) // n == np.arange(n_source)[:, None]
    curves[~mine] = np.nan
    return History(torch.from_numpy(curves[:, None]), torch.from_numpy(x)), torch.from_numpy(ends)


def said(failed: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is expected of configurations a source never ran, the truth, and the hyperparameter."""
    past, ends = history(failed)
    done = complete(past, best_so_far=True, poor_drawn_in=True, seed=0)
    never = ~torch.isfinite(past.values[:, 0, :, 0])
    assert done.never_run is not None
    assert torch.equal(done.never_run.which, never)
    assert bool((done.variance[never] > 0).all())
    at = past.features[:, 0].expand_as(never)[never]
    return done.mean[:, :, -1][never].numpy(), ends[never].numpy(), at.numpy()


@pytest.mark.parametrize("failed", ["none", "anywhere"])
def test_failures_at_random_leave_what_the_others_say(failed: str) -> None:
    expected, true, _ = said(failed)
    assert np.corrcoef(expected, true)[0, 1] > 0.9


def test_failures_in_a_region_are_expected_of_all_that_lie_there() -> None:
    expected, true, at = said("above")
    safe = at < 0.7
    assert np.corrcoef(expected[safe], true[safe])[0, 1] > 0.9
    assert np.median(expected[at > 0.85]) < expected[safe].min()


def test_trainings_of_which_only_the_end_is_known() -> None:
    past, _ = history("above")
    past.values[..., :-1] = torch.nan
    done = complete(past, best_so_far=True, seed=0)
    assert bool(done.mean.isfinite().all())
    assert bool(done.variance.isfinite().all())
