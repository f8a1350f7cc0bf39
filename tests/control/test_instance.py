"""Instances, and the files that hold them."""

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from at2.control import (
    ControlSettingError,
    EnvConfig,
    InstanceError,
    SGDEnv,
    SGDInstance,
    generate_instances,
    read_instances,
    write_instances,
)
from at2.control.data import instance_task
from at2.errors import FileError, UnknownNameError


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "resnet"}, r"model must be a network of at2, 'resnet' came; did you mean resnet"),
        ({"model": ""}, "model must be a name, '' came"),
        ({"dataset": 3}, "dataset must be a name, 3 came"),
        ({"optimizer": "Lion"}, "optimizer must be one of AdamW, Adam, SGD"),
        ({"optimizer_params": {"speed": 1}}, "torch.optim.AdamW does not take {'speed': 1}"),
        ({"optimizer_params": {"lr": -1.0}}, "does not take {'lr': -1.0}"),
        ({"optimizer_params": {"lr": math.nan}}, "does not take"),
        ({"optimizer_params": [1]}, "must be a mapping of settings"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, 1 came"),
        ({"batch_size": 32.5}, "batch_size must be a whole number"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"cutoff": 0}, "cutoff must be a whole number of at least 1"),
        ({"cutoff": math.inf}, "cutoff must be a whole number"),
        ({"fraction": 0.0}, r"fraction must lie in \(0, 1\], 0.0 came"),
        ({"fraction": math.nan}, "fraction must be a finite number"),
        ({"train_validation_ratio": 1.0}, "train_validation_ratio must lie between 0 and 1"),
        ({"crash_penalty": 1.0}, "crash_penalty is a reward and must be 0 or below"),
        ({"crash_penalty": "much"}, "crash_penalty must be a finite number"),
    ],
)
def test_a_wrong_value_is_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InstanceError, match=message) as caught:
        SGDInstance(**{"model": "small-plain", "dataset": "digits", **changed})
    assert caught.value.parameter == next(iter(changed))


def test_an_instance_is_frozen_hashable_and_can_be_pickled(tiny: SGDInstance) -> None:
    with pytest.raises(AttributeError):
        tiny.seed = 3
    with pytest.raises(TypeError):
        tiny.optimizer_params["lr"] = 3
    assert pickle.loads(pickle.dumps(tiny)) == tiny
    assert len({tiny, SGDInstance.from_row(tiny.to_row())}) == 1


def test_files_hold_instances_exactly(tmp_path: Path) -> None:
    instances = generate_instances(5, seed=7)
    write_instances(instances, tmp_path / "mine.csv")
    assert read_instances(tmp_path / "mine.csv") == instances
    assert generate_instances(5, seed=8) != instances
    (tmp_path / "mine.csv").write_text((tmp_path / "mine.csv").read_text(), encoding="utf-8-sig")
    assert read_instances(tmp_path / "mine.csv") == instances  # as a spreadsheet saves it


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1, "models": ()}, {"n": 1, "datasets": ()}])
def test_nothing_to_draw_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(ControlSettingError, match="n of at least 1, a dataset and a model wanted, got n="):
        generate_instances(**wrong, seed=0)


def test_the_published_sets_are_large_and_have_nothing_in_common() -> None:
    train, test, cifar10 = (read_instances(name) for name in ("train", "test", "cifar10"))
    assert len(train) >= 50
    assert len(test) >= 50
    assert not set(train.values()) & set(test.values())
    assert {instance.dataset for instance in cifar10.values()} == {"cifar10"}
    assert {instance.optimizer for instance in train.values()} == {"AdamW", "SGD"}


def test_every_published_instance_has_data_for_a_batch() -> None:
    for name in ("train", "test"):
        for instance in read_instances(name).values():
            task = instance_task(instance)
            assert len(task.train) >= instance.batch_size
            assert len(task.validation) > 0


def _edit(path: Path, old: str, new: str) -> Path:
    write_instances(generate_instances(2, seed=0), path)
    path.write_text(path.read_text().replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",cutoff,", ",", r"columns id, model, .* wanted, cutoff missing"),
        ("id,", "name,", "id missing"),
        ("instance-1", "", "line 3 has no id"),
        ("-10.0", "-10.0,5", "line 2 has more cells than the 11 columns"),
        ("instance-1", "instance-0", "line 3: the id 'instance-0' comes twice"),
        ("patch-2x3", "resnet-9", "line 2: model must be a network of at2, 'resnet-9' came"),
        ("{", "(", "line 2: optimizer_params must be a JSON object"),
        ("-10.0", "many", "line 2: crash_penalty must be a number, 'many' came"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        read_instances(_edit(tmp_path / "broken.csv", old, new))


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="published sets are train, test, cifar10"):
        read_instances(tmp_path / "none.csv")
    write_instances({}, tmp_path / "empty.csv")
    with pytest.raises(InstanceError, match="holds no instance"):
        read_instances(tmp_path / "empty.csv")


def test_cifar10_runs_where_its_folder_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    batch = {b"data": rng.integers(0, 256, (4000, 3072), dtype=np.uint8), b"labels": (np.arange(4000) % 10).tolist()}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch))
    monkeypatch.setenv("AT2_CIFAR10", str(tmp_path))
    small = replace(next(iter(read_instances("cifar10").values())), fraction=0.1, batch_size=64)
    env = SGDEnv([small], EnvConfig(mode="step"))
    env.reset(seed=0)
    assert env.episode.training.task.size == 32
    assert env.step([0.001])[4]["crashed"] is False
    every = SGDEnv("cifar10", EnvConfig(mode="step", order="cycle"))
    for name in every.instances:
        assert every.reset()[1]["instance"] == name
        assert every.step([0.001])[4]["crashed"] is False


def test_data_are_split_by_fraction_and_ratio_and_the_seed() -> None:
    instance = SGDInstance("small-plain", "digits-low", fraction=0.5, train_validation_ratio=0.8)
    task = instance_task(instance)
    n_used = round(0.5 * (541 + 180))
    assert (len(task.train), len(task.train) + len(task.validation)) == (round(0.8 * n_used), n_used)
    other = instance_task(SGDInstance("small-plain", "digits-low", fraction=0.5, train_validation_ratio=0.8, seed=1))
    assert not bool((task.train.labels == other.train.labels).all())
    assert bool((task.test.labels == other.test.labels).all())


def test_data_that_do_not_suffice_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InstanceError, match="leave 0 to train on, 1 to validate on"):
        instance_task(SGDInstance("small-plain", "digits-low", fraction=0.001, train_validation_ratio=0.1))
    with pytest.raises(InstanceError, match="batch_size is 512, but only 54 images are trained on"):
        instance_task(SGDInstance("small-plain", "digits-low", fraction=0.1, batch_size=512))
    with pytest.raises(UnknownNameError, match="no task 'digit'; did you mean"):
        instance_task(SGDInstance("small-plain", "digit"))
    monkeypatch.delenv("AT2_CIFAR10", raising=False)
    with pytest.raises(InstanceError, match="name their folder in AT2_CIFAR10"):
        instance_task(next(iter(read_instances("cifar10").values())))
