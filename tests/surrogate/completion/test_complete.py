"""at2/surrogate/completion/complete.py: whole histories pass through, ragged ones are made whole, bad ones harmless."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from at2.errors import ShapeError, TableError
from at2.surrogate import History, RunCurves
from at2.surrogate.completion.complete import CompletionSettings, _Completion, complete
from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.warp import IdentityWarp, LogitWarp

S, N, T = 3, 24, 8
NAN = float("nan")
QUICK = CompletionSettings(max_iter=5)


def truth() -> tuple[torch.Tensor, torch.Tensor]:
    """Accuracies that rise to a level set by one hyperparameter; features with one column that matters."""
    features = torch.rand(N, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    epochs = torch.arange(1, T + 1, dtype=torch.float64)
    tasks = torch.linspace(0.0, 0.2, S, dtype=torch.float64)
    level = 0.5 + 0.3 * torch.cos(2.0 * features[:, 0]) - tasks[:, None]
    curves = level[:, :, None] * (1.0 - 0.6 / epochs)
    noise = torch.randn(S, 2, N, T, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return curves[:, None] + 0.003 * noise, features


def test_a_complete_history_is_copied() -> None:
    values, features = truth()
    done = complete(History(values, features))
    assert done.exact
    torch.testing.assert_close(done.mean, LogitWarp().forward(values.mean(1)))
    assert not bool(done.variance.any())


def test_a_seed_that_is_missing_leaves_the_others() -> None:
    values, features = truth()
    values[0, 1, 3] = values[2, 0, :, 5] = NAN
    done = complete(History(values, features))
    assert done.exact
    torch.testing.assert_close(done.mean[0, 3], LogitWarp().forward(values[0, 0, 3]))


def test_how_much_of_each_curve_lies_after_its_last_reading() -> None:
    values, features = truth()
    values[0, :, 0, 2:] = values[1, :, 1] = values[2, :, 2, 3] = NAN  # stopped, never run, a gap
    done = complete(History(values, features), best_so_far=True, settings=QUICK)
    assert float(done.broken_off[0, 0]) == (T - 2) / T
    assert float(done.broken_off.sum()) == (T - 2) / T
    assert not bool(complete(History(*truth())).broken_off.any())


def test_how_many_first_epochs_no_source_has_logged() -> None:
    values, features = truth()
    values[:, :, :, :2] = NAN
    values[0, :, 0] = values[1, :, :, 2] = NAN  # one was never run, one source logged later
    values[2, :, :3, 0] = 0.1  # a few that diverged count as read from the first epoch on
    done = complete(History(values, features), settings=QUICK)
    assert done.n_unlogged == 2
    assert not bool(done.variance_where_logged[:, :, :2].any())
    assert torch.equal(done.variance_where_logged[:, :, 2:], done.variance[:, :, 2:])
    values[0, :, : N // 2 + 1, 0] = 0.1
    assert complete(History(values, features), settings=QUICK).n_unlogged == 0
    assert complete(History(*truth())).n_unlogged == 0


def test_how_variances_of_configurations_never_run_go_together() -> None:
    values, features = truth()
    values[0, :, 3:9] = values[2, :, 4] = values[1, :, 2, 5:] = NAN
    done = complete(History(values, features), settings=QUICK)
    told = done.never_run
    assert told is not None
    assert told.which.sum(1).tolist() == [6, 0, 1]
    for source, which in enumerate(told.which):
        variance = done.variance[source, which].mean(0) if bool(which.any()) else torch.zeros(T).double()
        torch.testing.assert_close(told.covariance[source].diagonal(), variance)
    torch.testing.assert_close(told.kernel.smooth + told.kernel.own, torch.ones((), dtype=torch.float64))
    assert not bool(told.kernel.constant)
    assert bool((torch.linalg.eigvalsh(told.covariance) > -1e-12).all())


def test_where_all_configurations_were_run_none_is_told_of() -> None:
    values, features = truth()
    values[1, :, 2, 5:] = NAN
    assert complete(History(values, features), settings=QUICK).never_run is None
    assert complete(History(*truth())).never_run is None


def test_one_missing_cell_is_nearly_a_complete_history() -> None:
    values, features = truth()
    whole = complete(History(values, features)).mean
    values[1, :, 4, 7] = NAN
    done = complete(History(values, features))
    assert not done.exact
    others = torch.ones(S, N, T, dtype=torch.bool)
    others[1, 4, 7] = False
    torch.testing.assert_close(done.mean[others], whole[others])
    assert not bool(done.variance[others].any())
    assert abs(float(done.mean[1, 4, 7] - whole[1, 4, 7])) < 0.05
    assert 0 < float(done.variance[1, 4, 7]) < 0.05**2


def test_cut_off_and_absent_curves_are_completed_with_honest_variances() -> None:
    values, features = truth()
    whole = complete(History(values, features)).mean
    cut, absent = slice(0, 10), slice(10, 16)
    values[:, :, cut, 3:] = values[:, :, absent] = NAN
    done = complete(History(values, features))
    gap, std = (done.mean - whole).abs(), done.variance.sqrt()
    spread = float(whole.std())
    assert float(gap[:, cut, 3:].mean()) < 0.1 * spread
    assert float(gap[:, absent].mean()) < 0.3 * spread
    assert float(std[:, absent].mean()) > float(std[:, cut, 3:].mean())
    missing = done.variance > 0
    assert 0.8 < float((gap < 2.0 * std)[missing].double().mean()) <= 1.0


def test_what_was_not_read_before_lies_below_what_was_read_after() -> None:
    generator = torch.Generator().manual_seed(3)
    early, late = torch.rand(2, S, 1, N, 1, dtype=torch.float64, generator=generator)  # nothing to do with each other
    values = torch.cat([0.1 + 0.1 * early.expand(-1, -1, -1, 4), 0.15 + 0.5 * late.expand(-1, -1, -1, T - 4)], -1)
    values[1, :, :, :4] = NAN
    features = truth()[1]
    read = LogitWarp().forward(values.mean(1))
    known = torch.isfinite(read)
    best = torch.where(known, read, -torch.inf).cummax(-1).values
    done = complete(History(values, features), best_so_far=True, settings=QUICK)
    torch.testing.assert_close(done.mean[known], best[known])
    assert bool((done.mean.diff(dim=-1) >= 0.0).all())


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_configuration_that_other_sources_ran_is_expected_where_it_lies_there(
    elsewhere: bool, few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not few:
        monkeypatch.setattr("at2.surrogate.completion.complete._FEW_CURVES", 0)
        monkeypatch.setattr("at2.surrogate.completion.complete._SHORT", 0)
    asked, errors, surprises = slice(0, 12), [], []
    for seed in (4, 5, 6):
        generator = torch.Generator().manual_seed(seed)
        level, features = torch.randn(60, generator=generator).double(), torch.rand(60, 2, generator=generator).double()
        rise = 1.0 - 0.6 / torch.arange(1, T + 1, dtype=torch.float64)
        own = 0.2 * torch.randn(S, 60, generator=generator).double()
        values = 0.5 + 0.05 * (level + own)[:, None, :, None] * rise
        whole = complete(History(values, features)).mean
        values[0, :, asked] = NAN
        if elsewhere:  # most of what tells that sources agree is not among the candidates
            runs = RunCurves.of(History(values[:, :, 20:], features[20:]))
            history = History(values[:, :, :20], features[:20], elsewhere=runs)
        else:
            history = History(values, features)
        done = complete(history)
        error, spread = (done.mean[0, asked] - whole[0, asked])[:, -1], whole[0, :, -1].std()
        errors.append(float(error.square().mean().sqrt() / spread))  # 1 for what its own curves say: the mean
        surprises.append(float((error.square() / done.variance[0, asked, -1]).mean()))
    assert max(errors) < 0.5
    assert 0.6 < sum(surprises) / 3 < 1.7
    if not few:
        assert 0.5 < min(surprises) <= max(surprises) < 2.0


def test_many_short_sources_tell_each_other_what_each_has_not_run() -> None:
    generator = torch.Generator().manual_seed(5)
    features = torch.rand(40, 2, generator=generator).double()
    level = torch.cos(4.0 * features[:, 0]) + 0.3 * features[:, 1]
    offset = 0.05 * torch.randn(20, 1, generator=generator).double()
    rise = 1.0 - 0.6 / torch.arange(1, T + 1, dtype=torch.float64)
    values = (0.5 + 0.1 * level + offset)[:, None, :, None] * rise
    ran = torch.zeros(20, 40, dtype=torch.bool)
    for source in ran:
        source[torch.randperm(40, generator=generator)[:4]] = True
    history = History(torch.where(ran[:, None, :, None], values, NAN), features)
    expected = complete(history).mean[:, :, -1]
    right = torch.stack([torch.corrcoef(torch.stack([source, level]))[0, 1] for source in expected])
    assert float(right.min()) > 0.9


def test_a_curve_that_was_stopped_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    values, features = truth()
    values[0, :, :8, 3:] = values[0, :, 20:] = NAN
    informed = complete(History(values, features)).mean

    def nothing(*_: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(S, N - 20).double(), torch.ones(S, N - 20).double()

    monkeypatch.setattr("at2.surrogate.completion.complete.predict_levels", nothing)
    by_itself = complete(History(values, features)).mean
    assert torch.equal(informed[:, :20], by_itself[:, :20])
    assert not torch.equal(informed[0, 20:], by_itself[0, 20:])


def test_curves_elsewhere_inform_the_grid_and_have_no_rows() -> None:
    values, features = truth()
    whole = complete(History(values, features)).mean[:, :8]
    hidden = torch.full_like(values[:, :, :8], NAN)
    alone = History(hidden, features[:8])
    with pytest.raises(TableError, match="source 0 of the history has no reading"):
        complete(alone)
    done = complete(History(hidden, features[:8], elsewhere=RunCurves.of(History(values[:, :, 8:], features[8:]))))
    assert done.mean.shape == (S, 8, T)
    assert float((done.mean - whole).abs().mean()) < 0.3 * float(whole.std())


def test_elsewhere_must_be_of_the_same_sources() -> None:
    values, features = truth()
    runs = RunCurves.of(History(values, features))
    with pytest.raises(ShapeError, match="elsewhere are of sources 0 to 1"):
        History(values[:2], features, elsewhere=runs)
    with pytest.raises(ShapeError, match="elsewhere have shapes"):
        History(values[..., :3], features, elsewhere=runs)
    with pytest.raises(ShapeError, match="one of each for every curve"):
        replace(runs, source=runs.source[1:])
    with pytest.raises(ShapeError, match=f"rows 0 to {len(features) - 2} of the features"):
        replace(runs, features=features[1:])


def test_curves_elsewhere_are_those_with_a_reading() -> None:
    values, features = truth()
    values[1, :, 3:] = NAN
    runs = RunCurves.of(History(values, features))
    assert runs.n_run == values.shape[0] * values.shape[2] - values.shape[2] + 3
    torch.testing.assert_close(runs.on_grid(S), values, equal_nan=True)


def test_no_sources_are_complete() -> None:
    done = complete(History(torch.zeros(0, 1, 3, 4, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)))
    assert done.exact
    assert done.mean.shape == (0, 3, 4)


def test_small_sets_of_anchors_still_keep_every_curve_its_own_configuration() -> None:
    values, features = truth()
    whole = complete(History(values, features)).mean
    values[:, :, :12, 4:] = NAN
    done = complete(History(values, features), settings=CompletionSettings(max_size=24))
    assert float((done.mean - whole)[:, :12, 4:].abs().mean()) < 0.15 * float(whole.std())


def test_a_few_diverged_runs_of_a_large_history_are_completed_from_a_part_of_it() -> None:
    features = torch.linspace(0.0, 1.0, 900, dtype=torch.float64)[:, None]
    rise = 1.0 - 0.6 / torch.arange(1, T + 1, dtype=torch.float64)
    values = ((0.5 + 0.3 * torch.cos(5.0 * features)) * rise).expand(1, 1, -1, -1).clone()
    history = History(values, features)
    whole = complete(history).mean
    values[:, :, [300, 600]] = NAN
    values[:, :, 450, 3:] = NAN
    curves = CurveList.of(LogitWarp().forward(values[:, 0]))
    completion = _Completion(curves, features, len(features), 0, CompletionSettings())
    assert completion._size(3 / 900) < completion._size(0.1) < completion._size(0.25) == completion._size(1.0)
    done = complete(history)
    missing = done.variance > 0
    assert int(missing.sum()) == 2 * T + T - 3
    assert float((done.mean - whole)[missing].abs().max()) < 0.05 * float(whole.std())


def test_the_seed_decides_alone() -> None:
    values, features = truth()
    values[:, :, ::2, 4:] = NAN
    first, second = (complete(History(values, features), seed=5, settings=QUICK) for _ in range(2))
    assert torch.equal(first.mean, second.mean)
    assert torch.equal(first.variance, second.variance)


def test_overflowing_values_are_refused() -> None:
    values, features = truth()
    values[0, :, 0, 0], values[0, :, 1] = 1e200, NAN
    with pytest.raises(TableError, match="1e\\+200"):
        complete(History(values, features))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Constant curves, one of everything, duplicates, outliers, empty curves, equal features."""
    n_source, n_config, n_epoch = (draw(st.integers(1, 4)) for _ in range(3))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = generator.standard_normal((n_source, 1, n_config, n_epoch))
    features = generator.random((n_config, 2))
    match draw(st.sampled_from(["constant", "same tasks", "same configs", "share", "huge", "plain"])):
        case "constant":
            values[:] = draw(st.sampled_from([0.0, 0.3, -1e6]))
        case "same tasks":
            values[:] = values[:1]
        case "same configs":
            values[:], features[:] = values[:, :, :1], 0.5
        case "share":
            values = 1.0 / (1.0 + np.exp(-values))
        case "huge":
            values *= 1e30
    if draw(st.booleans()):
        values[draw(st.integers(0, n_source - 1)), 0, draw(st.integers(0, n_config - 1)), 0] = 1e30
    if draw(st.booleans()):
        features[generator.random(features.shape) < 0.4] = np.nan
    values[generator.random(values.shape) < draw(st.sampled_from([0.0, 0.2, 0.6]))] = np.nan
    return History(torch.from_numpy(values), torch.from_numpy(features))


@settings(max_examples=40, deadline=None)
@given(history=histories())
def test_a_completion_is_finite_or_refused_in_words(history: History) -> None:
    if bool(torch.isnan(history.values).flatten(1).all(1).any()):
        with pytest.raises(TableError, match="no reading at all"):
            complete(history, settings=QUICK)
        return
    done = complete(history, settings=QUICK)
    assert bool(done.mean.isfinite().all())
    assert bool(done.variance.isfinite().all())
    assert bool((done.variance >= 0).all())


@pytest.mark.slow
def test_a_thousand_configurations_with_equal_features() -> None:
    values = torch.randn(1, 1, 1000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values[0, 0, ::2, 1:] = NAN
    done = complete(History(values, torch.full((1000, 2), 0.5, dtype=torch.float64)), settings=QUICK)
    assert bool(done.mean.isfinite().all())
    assert bool(done.variance.isfinite().all())


def diverging(n_config: int = 40, n_epoch: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses of two tasks of which every sixth configuration blows up, logged to the end; and up to 10^6 only."""
    generator = torch.Generator().manual_seed(5)
    level = torch.rand(2, 1, n_config, 1, dtype=torch.float64, generator=generator)
    epochs = torch.arange(1, n_epoch + 1, dtype=torch.float64)
    noise = 0.05 * torch.randn(2, 1, n_config, n_epoch, dtype=torch.float64, generator=generator)
    losses = 0.2 + level + (1.0 / epochs + noise).clamp_min(0.0)
    for config in range(0, n_config, 6):
        for task in range(2):
            since = int(torch.randint(1, n_epoch, (), generator=generator))
            steps = 3.0 * torch.rand(n_epoch - since, dtype=torch.float64, generator=generator)
            losses[task, :, config, since:] = 10.0 ** steps.cumsum(0).clamp_max(30.0)
    return losses, torch.where(losses > 1e6, torch.nan, losses)


def test_how_a_training_diverged_says_nothing_of_the_best_that_curves_reach() -> None:
    features = torch.rand(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    logged, cut = (History(-losses, features) for losses in diverging())
    whole = complete(logged, best_so_far=True)
    assert whole.exact
    done = complete(cut, best_so_far=True)
    measured = torch.isfinite(cut.mean_over_seeds())
    torch.testing.assert_close(done.mean[measured], whole.mean[measured])
    assert bool((done.mean.diff(dim=-1) >= 0.0).all())
    assert float((done.mean - whole.mean).max()) < 0.5  # log units; of whole curves the best differ by about 2
    assert float(done.variance.max()) < 0.5


def test_how_poor_diverged_trainings_are_does_not_blur_the_good_ones() -> None:
    """A third of the configurations of each source diverge, by tens or thousands; the others differ by little."""

    def error(poor: float, *, drawn_in: bool) -> float:
        generator = torch.Generator().manual_seed(3)
        features = torch.rand(90, 2, generator=generator).double()
        good = features[:, 0] < 0.67
        level = torch.where(good, 0.5 * torch.cos(6.0 * features[:, 1]), -poor * features[:, 0])
        own = 0.02 * torch.randn(3, 90, generator=generator).double()
        curves = ((level + own)[:, :, None] - 1.0 / torch.arange(1, T + 1).double())[:, None]
        truth, seen = curves[:, 0, :, -1], torch.arange(90)[None] % 3 == torch.arange(3)[:, None]
        history = History(torch.where(seen[:, None, :, None], curves, NAN), features)
        done = complete(history, warp=IdentityWarp(), best_so_far=True, poor_drawn_in=drawn_in)
        asked = good & ~seen
        return float((done.mean[:, :, -1] - truth)[asked].square().mean().sqrt())

    errors = [error(poor, drawn_in=drawn_in) for poor in (20.0, 2000.0) for drawn_in in (False, True)]
    assert max(errors) < 0.1  # good ones differ by 0.35; while failed ones informed them it was 0.24 to 75


def test_poor_readings_that_are_drawn_in_keep_their_order() -> None:
    values, features = truth()
    values[:, :, :3] -= torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)[:, None]
    values[:, :, 20:, 4:] = NAN
    done = complete(History(values, features), warp=IdentityWarp(), best_so_far=True, poor_drawn_in=True)
    ends = done.mean[:, :, -1]
    assert bool((ends[:, 0] > ends[:, 1]).all() and (ends[:, 1] > ends[:, 2]).all())
    assert float(ends[:, 2].min()) > -10.0
    torch.testing.assert_close(done.mean[:, 3:20, -1], History(values, features).mean_over_seeds()[:, 3:20].amax(-1))
