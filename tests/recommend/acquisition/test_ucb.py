from types import SimpleNamespace

import pytest
import torch

from at2.recommend import Budget, Recommender
from at2.recommend.acquisition.ucb import UpperConfidenceBound
from at2.surrogate import Prediction
from at2.surrogate.at2_2021 import AutoTuning2021


def make_belief(mean, std):
    prediction = Prediction(torch.tensor(mean), torch.tensor(std))
    return SimpleNamespace(predict=lambda: prediction)


def make_state(done, horizon):
    return SimpleNamespace(done=torch.tensor(done), horizon=torch.tensor(horizon))


MEAN = [[0.1, 0.2, 0.9], [0.3, 0.4, 0.5], [0.0, 0.0, 0.0]]
STD = [[0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.0, 0.0, 4.0]]


@pytest.mark.parametrize(
    ("beta", "done", "horizon", "config", "lookahead", "gain"),
    [
        (0.0, [0, 0, 0], [3, 3, 3], 0, 3, 0.9),
        (0.25, [0, 0, 0], [3, 3, 3], 2, 3, 1.0),
        (0.25, [0, 0, 0], [2, 2, 2], 1, 2, 0.425),  # the two high cells cannot be reached
        (0.25, [2, 0, 0], [1, 2, 2], 0, 1, 0.925),
        (0.25, [3, 0, 0], [0, 1, 1], 1, 1, 0.325),
    ],
)
def test_advances_the_curve_with_the_highest_reachable_bound(beta, done, horizon, config, lookahead, gain):
    choice = UpperConfidenceBound(beta).choose(make_belief(MEAN, STD), make_state(done, horizon))
    assert (choice.config, choice.lookahead) == (config, lookahead)
    assert choice.gain == pytest.approx(gain, rel=1e-5)


def test_noise_is_left_out_where_the_belief_can_tell_it_apart():
    belief = make_belief(MEAN, STD)
    belief.curves = lambda: Prediction(torch.tensor(MEAN), torch.zeros(3, 3))
    assert UpperConfidenceBound(9.0).choose(belief, make_state([0, 0, 0], [3, 3, 3])).config == 0


def test_the_first_of_equals_is_chosen():
    belief = make_belief([[0.5, 0.5], [0.5, 0.5]], [[0.0, 0.0], [0.0, 0.0]])
    assert UpperConfidenceBound().choose(belief, make_state([0, 0], [2, 2])).config == 0


def test_a_negative_beta_is_refused():
    with pytest.raises(ValueError, match="beta must be a number from 0, got -1"):
        UpperConfidenceBound(-1.0)


def test_the_recommender_plays_the_published_model(table, measure):
    surrogate = AutoTuning2021(num_inducing_point=20, batch_size=50, num_training_epoch=20, num_tuning_epoch=1)
    asked = []
    for _ in range(2):
        rec = Recommender(table, target="dogs", budget=Budget(epochs=5), surrogate=surrogate, seed=1)
        while (query := rec.ask()) is not None:
            asked.append((query.config_id, query.epoch))
            rec.tell(query, measure(query))
        assert rec.recommend().config_id in set(table.configs.index)
    assert asked[:5] == asked[5:]
