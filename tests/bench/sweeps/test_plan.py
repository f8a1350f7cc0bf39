import dataclasses

import pytest

from at2.bench.sweeps.plan import RunConfig, fingerprint, plan_pairs
from at2.errors import At2Error, BudgetError, UnknownNameError
from at2.tables import LearningCurveTable


def test_json_round_trip(run: RunConfig) -> None:
    assert RunConfig.from_json(run.to_json()) == run


def test_a_missing_or_unknown_field_is_named(run: RunConfig) -> None:
    values = run.to_json()
    del values["seed"]
    with pytest.raises(At2Error, match=r"\['colour', 'seed'\] differ"):
        RunConfig.from_json({**values, "colour": 1})


def test_the_folder_name_reads_well_and_tells_runs_apart(run: RunConfig) -> None:
    assert run.folder_name.startswith("tiny_target_random-search_6-epochs_seed-0_")
    other = dataclasses.replace(run, sources=("a",))
    assert other.folder_name != run.folder_name


def test_what_cannot_be_run(run: RunConfig) -> None:
    with pytest.raises(BudgetError, match="at least 1 epoch, 0 given"):
        dataclasses.replace(run, budget_epochs=0)
    with pytest.raises(At2Error, match="target 'a' is also a source"):
        dataclasses.replace(run, target="a")


def test_the_fingerprint_changes_with_the_curves(table: LearningCurveTable, losses: LearningCurveTable) -> None:
    assert fingerprint(table) == fingerprint(table.subset())
    assert fingerprint(table) != fingerprint(losses)


@pytest.mark.authors
def test_the_published_pairs() -> None:
    plan = plan_pairs(["hyperrec", "lcbench"], tuners=["at2", "average-rank"], budget_epochs=100)
    assert len(plan) == 20
    assert plan[0].target == "CIFAR100"
    assert plan[0].sources == ("IMAGENET64SUB1", "SUN397SUB3", "SUN397SUB2", "OIPETS")
    assert {run.metric for run in plan} == {"val_acc_top1", "val_balanced_acc"}


@pytest.mark.authors
def test_pairs_by_target_and_by_number() -> None:
    plan = plan_pairs(["hyperrec", "lcbench"], pairs=["2", "shuttle"], tuners=["at2"], budget_epochs=9, seeds=[0, 3])
    assert [(run.target, run.seed, run.curve_seed) for run in plan] == [
        ("IP102", 0, 0),
        ("IP102", 3, 1),
        ("jasmine", 0, 0),
        ("jasmine", 3, 0),
        ("shuttle", 0, 0),
        ("shuttle", 3, 0),
    ]


def test_an_unknown_pair_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"no pair 'CIFAR101'; .*hyperrec: 1 CIFAR100, 2 IP102"):
        plan_pairs(["hyperrec"], pairs=["CIFAR101"], tuners=["at2"], budget_epochs=100)


def test_options_of_a_tuner_are_part_of_a_run(run: RunConfig) -> None:
    tuned = dataclasses.replace(run, options=(("batch_size", 20), ("lr", 0.1)))
    assert RunConfig.from_json(tuned.to_json()) == tuned
    assert tuned.to_json()["options"] == {"batch_size": 20, "lr": 0.1}
    assert tuned.folder_name != run.folder_name
    assert "options" not in run.to_json()  # records made before there were options still count
