"""BoTorch's process by exact algebra is BoTorch's process."""

import warnings

import numpy as np
import pytest
import torch
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.settings import fast_computations, max_cholesky_size

from at2.curves import CurveSet, make_predictor
from at2.curves.baselines.grid import Grid, loss
from at2.curves.baselines.latent_kronecker import _parts, _untrained
from at2.errors import ShapeError
from tests.curves.conftest import make_curves


def _process(n: int = 6, n_epoch: int = 5):
    generator = torch.Generator().manual_seed(0)
    columns = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    curves = torch.randn(n, n_epoch, generator=generator, dtype=torch.float64)
    process = _untrained(columns, curves)
    process.covar_module_X.lengthscale = torch.tensor([0.4, 0.9])
    process.covar_module_T.outputscale = 1.7
    process.likelihood.noise = 0.05
    return process


def test_the_loss_and_its_gradient_are_botorchs() -> None:
    process = _process()
    process.train()
    ours = loss(*_parts(process))
    ours.backward()
    found = {name: parameter.grad.clone() for name, parameter in process.named_parameters()}
    process.zero_grad()
    with warnings.catch_warnings(), fast_computations(log_prob=False), max_cholesky_size(1000):
        warnings.simplefilter("ignore")
        theirs = -ExactMarginalLogLikelihood(process.likelihood, process)(
            process(*process.train_inputs), process.train_targets
        )
    theirs.backward()
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-9)
    for name, parameter in process.named_parameters():
        assert torch.allclose(found[name], parameter.grad, rtol=1e-6, atol=1e-9), name


def test_predictions_are_botorchs_posterior_given_curves_and_prefix() -> None:
    process = _process()
    curves, of_configs, of_epochs, noise = (part.detach() for part in _parts(process))
    new = torch.tensor([[0.3, 0.6]], dtype=torch.float64)
    prefix = torch.tensor([[0.7, -0.2]], dtype=torch.float64)
    with torch.no_grad():
        columns = process.train_inputs[0]
        cross, prior = process.covar_module_X(new, columns).to_dense(), process.covar_module_X(new, diag=True)
        mean, std = Grid.given(curves, of_configs, of_epochs, float(noise)).predict(cross, prior, prefix, [0, 2], 4)
    gappy = torch.full((1, 5), torch.nan, dtype=torch.float64)
    gappy[0, [0, 2]] = prefix
    whole = _untrained(torch.cat([columns, new]), torch.cat([curves, gappy]))
    for (_, to), (_, source) in zip(whole.named_parameters(), process.named_parameters(), strict=True):
        to.data.copy_(source.data)
    whole.eval()
    no_shortcuts = fast_computations(covar_root_decomposition=False, log_prob=False, solves=False)
    with warnings.catch_warnings(), torch.no_grad(), no_shortcuts, max_cholesky_size(1000):
        warnings.simplefilter("ignore")
        posterior = whole.posterior(new, torch.tensor([[0.0], [1.0]], dtype=torch.float64))
        theirs, variance = posterior.mean.reshape(2)[1], posterior.variance.reshape(2)[1]
    assert float(mean[0]) == pytest.approx(float(theirs), abs=1e-6)
    assert float(std[0]) == pytest.approx(float((variance + noise).sqrt()), abs=1e-6)


def test_one_process_answers_every_question_and_prefixes_do_not_see_each_other() -> None:
    curves = make_curves(30, 9)
    predictor = make_predictor("latent-kronecker", prefix=4).fit(curves)
    prefixes = [curves.curves[0, :4], curves.curves[1, :6]]
    both = predictor.predict(curves.configs[:2], prefixes, [9, 8])
    alone = predictor.predict(curves.configs[1:2], prefixes[1:], 8)
    assert both.mean[1] == pytest.approx(alone.mean[0], rel=1e-12)
    assert len({id(model) for model in predictor._models.values()}) == 1


def test_curves_with_gaps_do_not_train_it() -> None:
    curves = make_curves(12, 8)
    readings = curves.curves.copy()
    readings[:10, 3] = np.nan
    predictor = make_predictor("latent-kronecker", prefix=3).fit(CurveSet(curves.configs, readings))
    assert next(iter(predictor._models.values())).rows.tolist() == [10, 11]
    readings[10, 3] = np.nan
    with pytest.raises(ShapeError, match=r"1 training curve.* wants at least 2"):
        make_predictor("latent-kronecker", prefix=3).fit(CurveSet(curves.configs, readings))
