from dataclasses import asdict

import click
import pytest
from click.testing import CliRunner

from at2.cli.published import _PUBLISHED, SURROGATES, choose_tuners, published_options
from at2.surrogate import surrogate_names
from at2.surrogate.at2_2021 import AutoTuning2021


@click.command()
@published_options
def show(settings: dict[str, float]) -> None:
    click.echo(repr(settings))


def test_every_setting_is_an_option_with_its_published_default() -> None:
    defaults = {name: default for name, _, default, _ in _PUBLISHED}
    assert defaults == {**asdict(AutoTuning2021()), "num_tuning_budget": None}
    assert set(SURROGATES) <= set(surrogate_names())


def test_only_what_was_given_is_handed_on() -> None:
    result = CliRunner().invoke(show, ["--num_inducing_point", "7", "--num-training-epoch", "2", "--lr", "0.1"])
    assert result.output.strip() == "{'num_inducing_point': 7, 'num_training_epoch': 2, 'lr': 0.1}"


@pytest.mark.parametrize(
    ("tuners", "surrogates", "chosen"),
    [
        (["at2", "average-rank"], [], ("at2", "average-rank")),
        (["at2", "average-rank"], ["at2-2021"], ("at2-2021", "average-rank")),
        (["average-rank", "at2"], ["default", "at2-2021"], ("average-rank", "at2", "at2-2021")),
        (["at2-2021"], [], ("at2-2021",)),
    ],
)
def test_surrogates_take_the_place_of_the_recommender(
    tuners: list[str], surrogates: list[str], chosen: tuple[str, ...]
) -> None:
    assert choose_tuners(tuners, surrogates, {}) == chosen
