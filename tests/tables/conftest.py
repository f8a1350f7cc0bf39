"""A small table with everything in it."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from at2.space import hyperrec_space, lcbench_space
from at2.tables import HYPERREC_SPLIT, BatchSeries, LearningCurveTable, Metric, RunStatus

SHAPE = (3, 2, 4, 5)


def make_table(*, seed: int = 0) -> LearningCurveTable:
    """3 tasks x 2 seeds x 4 configurations x 5 epochs; one run missing, one short, one diverged."""
    rng = np.random.default_rng(seed)
    accuracy = rng.uniform(0.1, 0.9, SHAPE)
    accuracy[0, 0, 3] = np.nan  # not run
    accuracy[1, :, 2, 3:] = np.nan  # stopped after three epochs
    loss = (1 - accuracy).astype(np.float32)
    status = np.where(np.isfinite(accuracy).any(-1), RunStatus.OK, RunStatus.NOT_RUN)
    status[1, :, 2] = RunStatus.STOPPED_EARLY
    status[0, 0, 3] = RunStatus.DIVERGED
    configs = pd.DataFrame(
        {
            "lr": [1e-4, 1e-3, 1e-2, 1e-1],
            "optimizer": ["adam", "momentum", "adam", "momentum"],
            "momentum": [np.nan, 0.9, np.nan, 0.5],
            "layers": [1, 2, 3, 4],
            "step_size": [3, np.nan, np.nan, 5],
            "nesterov": [True, False, False, True],
        },
        index=pd.Index([10, 11, 12, 13], name="config_id"),
    )
    series = BatchSeries.from_runs(
        Metric("train_cross_entropy", maximize=False),
        {(0, 1, 2): rng.random(10), (2, 0, 0): rng.random(7)},
        per_epoch={(0, 1, 2): 2, (2, 0, 0): 3},
        shape=SHAPE[:3],
    )
    return LearningCurveTable(
        {"val_acc": accuracy, "val_loss": loss},
        tasks=pd.DataFrame({"task": ["digits", "letters", "faces"], "n_images": [1797, 26_000, 400]}),
        configs=configs,
        metrics=[Metric("val_acc", maximize=True, unit="fraction"), Metric("val_loss", maximize=False)],
        seconds=np.where(np.isfinite(accuracy), 1.5, np.nan),
        status=status,
        batches={"train_cross_entropy": series},
        name="small",
        notes={"split": HYPERREC_SPLIT, "origin": "tests"},
    )


@pytest.fixture
def table() -> LearningCurveTable:
    return make_table()


PAIRS = b'{"HyperRec": [["a,b", "c"]], "LCBench": []}'
HYPERREC_TASKS = ("ACTION40", "AWA2", "CIFAR10")


def hyperrec_pickles() -> tuple[bytes, bytes]:
    """Two files in the authors' HyperRec format: 4 configurations; 2 seeds x 3 tasks x 6 epochs."""
    rng = np.random.default_rng(0)
    configs = {i: _as_authors_write(config) for i, config in enumerate(hyperrec_space().sample(4, seed=1))}
    profiles = {s: {task: {i: rng.random(6) for i in configs} for task in HYPERREC_TASKS} for s in (0, 1)}
    return pickle.dumps(configs, protocol=4), pickle.dumps(profiles, protocol=4)


def _as_authors_write(config: dict) -> dict:
    optimizer = {name: config[name] for name in ("lr", "weight_decay", "momentum") if name in config}
    if "beta_0" in config:
        optimizer["betas"] = [config["beta_0"], config["beta_1"]]
    names = {"step_size": "step_size", "gamma": "gamma", "max_lr": "max_lr", "step_size_up": "step_size_up"}
    names |= {"t_0": "T_0", "t_mult": "T_mult", "eta_min": "eta_min"}
    scheduler = {theirs: config[ours] for ours, theirs in names.items() if ours in config}
    if config["scheduler"] == "CyclicLR":
        scheduler |= {"mode": "exp_range", "base_lr": config["lr"], "cycle_momentum": False}
    return {
        "model": config["model"],
        "nepoch": 6,
        "batchsize": config["batch_size"],
        "optimizer": "Adam" if config["optimizer"] == "adam" else "SGD",
        "scheduler": config["scheduler"],
        "optimizer_param": optimizer,
        "scheduler_param": scheduler,
    }


def lcbench_pickles() -> tuple[bytes, bytes]:
    """Two files in the authors' LCBench format: 3 configurations; 1 seed x 2 tasks x 4 epochs."""
    constants = {"network": "shapedmlpnet", "optimizer": "sgd"}
    configs = {i: config | constants for i, config in enumerate(lcbench_space().sample(3, seed=1))}
    for config in configs.values():
        config["num_layers"] = True if config["num_layers"] == 1 else config["num_layers"]
    configs[0]["num_layers"] = True
    profiles = {0: {task: {i: np.linspace(0.1, 0.9, 4) * (i + 1) / 3 for i in configs} for task in ("adult", "car")}}
    return pickle.dumps(configs, protocol=4), pickle.dumps(profiles, protocol=4)


def write_registry(folder: Path, mirror: Path) -> Path:
    """Register the files of a mirror by their true sums."""
    names = [path.relative_to(mirror).as_posix() for path in sorted(mirror.rglob("*")) if path.is_file()]
    lines = ["# file, sha256, address"]
    for name in names:
        sum_ = hashlib.sha256((mirror / name).read_bytes()).hexdigest()
        lines.append(f"{name} {sum_} http://127.0.0.1:9/{name}")  # port 9: nobody answers
    path = folder / "registry.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder with synthetic files in the authors' format."""
    folder = tmp_path / "mirror"
    for name, files in (("HyperRec", hyperrec_pickles()), ("LCBench", lcbench_pickles())):
        (folder / name).mkdir(parents=True)
        for file, data in zip(("configs.pkl", "profiles.pkl"), files, strict=True):
            (folder / name / file).write_bytes(data)
    (folder / "train_test_pairs.json").write_bytes(PAIRS)
    return folder


@pytest.fixture
def registry(tmp_path: Path, mirror: Path) -> Path:
    return write_registry(tmp_path, mirror)


@pytest.fixture
def home(tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the synthetic registry in place of the one that ships."""
    monkeypatch.setenv("AT2_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AT2_MIRROR", raising=False)
    monkeypatch.setattr("at2.tables.published.fetch.data_path", lambda name: registry)
    return tmp_path / "home"
