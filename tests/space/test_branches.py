"""at2/space/branches.py and optuna_space.py: conditions that configurations show are found, chance ones are not."""

from typing import Any

import numpy as np
import pytest

from at2.errors import SpaceError
from at2.space.optuna_space import space_of_trials

optuna = pytest.importorskip("optuna")
Float, Int, Choice = (getattr(optuna.distributions, f"{kind}Distribution") for kind in ("Float", "Int", "Categorical"))
KINDS = {
    "optimizer": Choice(["adam", "sgd", "lamb"]),
    "nesterov": Choice([True, False]),
    "damping": Float(0.0, 1.0),
    "beta": Float(0.0, 1.0),
    "n_layers": Int(1, 4),
    "units_1": Int(4, 64, log=True),
    "units_2": Int(4, 64, log=True),
    "small": Float(0.0, 1.0),
    "lr": Float(1e-4, 1e-1, log=True),
}


def draw(n: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Trials of an objective with branches, and branches of branches."""
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(n):
        trial: dict[str, Any] = {"optimizer": ["adam", "sgd", "lamb"][rng.integers(3)]}
        if trial["optimizer"] == "sgd":
            trial["nesterov"] = bool(rng.integers(2))
            if trial["nesterov"]:
                trial["damping"] = float(rng.random())
        else:
            trial["beta"] = float(rng.random())
        trial["n_layers"] = int(rng.integers(1, 5))
        for layer in (1, 2):
            if trial["n_layers"] > layer:
                trial[f"units_{layer}"] = int(rng.integers(4, 65))
        if trial["n_layers"] < 3:
            trial["small"] = float(rng.random())
        trial["lr"] = float(10 ** rng.uniform(-4, -1))
        trials.append(trial)
    return trials


def space_of(trials: list[dict[str, Any]], studies: list[str] | None = None):
    return space_of_trials(
        trials,
        [{key: KINDS[key] for key in trial} for trial in trials],
        studies=studies or ["one"] * len(trials),
        name="trials",
    )[0]


def when(trials: list[dict[str, Any]], studies: list[str] | None = None) -> dict[str, str]:
    return space_of(trials, studies).describe().set_index("hyperparameter")["active_when"].to_dict()


def test_branches_are_found() -> None:
    assert when(draw()) == {
        "optimizer": "always",
        "nesterov": "optimizer == 'sgd'",
        "damping": "nesterov == True",
        "beta": "optimizer in ['adam', 'lamb']",
        "n_layers": "always",
        "units_1": "n_layers > 1",
        "units_2": "n_layers > 2",
        "small": "n_layers < 3",
        "lr": "always",
    }


def test_trials_are_valid_and_samples_are_like_them() -> None:
    trials = draw()
    space = space_of(trials)
    for trial in trials:
        assert space.validate(trial) == trial
    for config in space.sample(50, seed=0):
        assert ("beta" in config) == (config["optimizer"] != "sgd")
        assert ("units_2" in config) == (config["n_layers"] > 2)
        assert ("damping" in config) == bool(config.get("nesterov"))


def test_what_a_study_never_had_does_not_spoil_a_rule_and_is_optional() -> None:
    trials, others = draw(), [{"optimizer": "sgd", "lr": 0.01}, {"optimizer": "adam", "n_layers": 4, "lr": 0.1}]
    found = when(trials + others, ["one"] * len(trials) + ["old"] * 2)
    assert found["nesterov"] == "optimizer == 'sgd', optional"
    assert found["units_2"] == "n_layers > 2, optional"
    assert found["n_layers"] == "always, optional"
    assert found["damping"] == "nesterov == True"
    space = space_of(trials + others, ["one"] * len(trials) + ["old"] * 2)
    for trial in trials + others:
        space.validate(trial)


def test_a_rule_with_an_exception_is_none() -> None:
    trials = draw()
    del next(trial for trial in trials if trial["optimizer"] == "adam")["beta"]
    assert when(trials)["beta"] == "always, optional"


def test_one_configuration_makes_no_rule() -> None:
    trials = [{"optimizer": "adam", "lr": 0.01}, {"optimizer": "sgd", "lr": 0.02}, {"optimizer": "adam", "lr": 0.03}]
    trials[0]["beta"] = 0.5
    trials[2]["beta"] = 0.6
    assert when(trials)["beta"] == "always, optional"


def test_no_hyperparameter_is_no_space() -> None:
    with pytest.raises(SpaceError, match="no hyperparameter that can be used"):
        space_of_trials([{"x": None}], [{"x": Choice([None])}], studies=["a"], name="none")


def test_few_trials_do_not_make_a_rule_of_numbers_that_all_differ() -> None:
    wide = Int(1, 512)
    trials = [{"batch": batch, "depth": depth} | ({"units": 8} if depth > 1 else {}) for batch, depth in
              [(500, 2), (400, 3), (300, 2), (30, 1), (20, 1), (10, 1)]]  # fmt: skip
    kinds = {"batch": wide, "depth": Int(1, 3), "units": Int(4, 64), "late": Float(0.0, 1.0)}

    def found(trials: list[dict[str, Any]]) -> dict[str, str]:
        distributions = [{key: kinds[key] for key in trial} for trial in trials]
        space = space_of_trials(trials, distributions, studies=["one"] * len(trials), name="trials")[0]
        return space.describe().set_index("hyperparameter")["active_when"].to_dict()

    assert found(trials)["units"] == "depth > 1"  # and not batch > 30, though it stands first
    alone = [{"batch": batch} | ({"late": 0.5} if batch > 100 else {}) for batch in (500, 400, 300, 30, 20, 10)]
    assert found(alone)["late"] == "always, optional"
    many = [{"batch": batch} | ({"late": 0.5} if batch > 100 else {}) for batch in range(10, 200, 10)]
    assert found(many)["late"] == "batch > 100"
