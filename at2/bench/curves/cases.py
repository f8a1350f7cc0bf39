"""Learning-curve predictors on the same curves: what is trained on what, and how far off it was."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from at2.curves.data import CurveSet, load_curves, split
from at2.curves.prediction import CurvePrediction
from at2.errors import At2Error, FileError
from at2.processes import run_all
from at2.tables.storage.formats import read_frame_file, write_frame_file

__all__ = ["CurveCase", "measure_case", "plan_cases", "run_cases", "scores"]

_log = logging.getLogger(__name__)
Protocol = Literal["split", "tasks"]
MEASURES = ("mse", "mae", "r2", "rank_correlation", "nll", "crps", "coverage", "val_mse", "fit_s", "predict_s")


@dataclass(frozen=True)
class CurveCase:
    """One predictor trained and tested once.

    Args:
        data: A table's name, or the path of an ``.h5`` or ``.npz`` file.
        predictor: Name of the predictor.
        seed: Decides the parts, and is the predictor's seed.
        protocol: ``"split"`` cuts the curves of one task 60/20/20; ``"tasks"`` trains on the curves of some tasks and
            tests on those of all others.
        task: The task of a split; empty where the data have one.
        n_own: With ``"tasks"``: how many curves of each new task are trained on as well.
        n_task: With ``"tasks"``: how many tasks are trained on.
        prefix: Epochs that are known.
        scaling: Scaling of networks and regressions; empty for their own default.
    """

    data: str
    predictor: str
    seed: int = 0
    protocol: Protocol = "split"
    task: str = ""
    n_own: int = 0
    n_task: int = 20
    prefix: int = 10
    scaling: str = ""


def plan_cases(data: str | Path, predictors: Iterable[str], seeds: Iterable[int], **settings: Any) -> list[CurveCase]:
    """Return a case for every predictor and seed; settings are further fields of `CurveCase`."""
    return [
        CurveCase(str(data), predictor, seed, **settings) for seed in seeds for predictor in dict.fromkeys(predictors)
    ]


def run_cases(
    cases: list[CurveCase],
    *,
    results: Path,
    jobs: int = 1,
    fresh: bool = False,
    on_case: Callable[[CurveCase, str], None] = lambda case, text: None,
) -> pd.DataFrame:
    """Measure cases and keep the results in one CSV file, which grows with each; what it holds is not measured again.

    Args:
        cases: What to measure.
        results: The file.
        jobs: Processes; 0 measures in this one.
        fresh: Measure again what the file holds.
        on_case: Is told each case that is done, and how it went.

    Returns:
        A row per case that succeeded, in the order of `cases`: its fields, and the measures of `scores`.
    """
    done = _read(results)
    open_cases = [case for case in cases if fresh or not _rows_of(done, case).any()]
    measured = (
        map(_measure, open_cases) if jobs == 0 else run_all(_measure, open_cases, jobs=jobs, lost=_lost)
    )  # order of completion
    for case, values, error in measured:
        if error:
            on_case(case, f"failed: {error}")
            continue
        kept = done[~_rows_of(done, case)].to_dict("records")
        done = pd.DataFrame([*kept, dataclasses.asdict(case) | values])
        write_frame_file(done, results)
        on_case(case, f"mse {values['mse']:.3g}")
    rows = [int(row) for case in cases for row in np.flatnonzero(_rows_of(done, case))]
    return done.iloc[list(dict.fromkeys(rows))].reset_index(drop=True)


def measure_case(case: CurveCase) -> dict[str, float]:
    """Train and test one predictor in this process, and return its measures."""
    from at2.curves.registry import make_predictor

    curves = load_curves(case.data, tasks=[case.task] if case.task else None)
    trained, held, test = (_split if case.protocol == "split" else _tasks)(curves, case)
    settings = {"scaling": case.scaling} if case.scaling else {}
    predictor = make_predictor(case.predictor, prefix=case.prefix, seed=case.seed, **settings)
    start = time.perf_counter()
    predictor.fit(trained)
    fit_s = time.perf_counter() - start
    start = time.perf_counter()
    prediction = predictor.predict(test.configs, test.curves[:, : case.prefix], tasks=test.tasks or None)
    predict_s = time.perf_counter() - start
    values = scores(prediction, test.curves[:, -1]) | {"fit_s": fit_s, "predict_s": predict_s, "val_mse": float("nan")}
    if held is not None:
        mean = predictor.predict(held.configs, held.curves[:, : case.prefix]).mean
        values["val_mse"] = float(np.square(mean - held.curves[:, -1]).mean())
    return values


def scores(prediction: CurvePrediction, truth: npt.NDArray[np.float64]) -> dict[str, float]:
    """Compare predictions with what came.

    Returns:
        Mean squared and absolute error, R2, Spearman's rank correlation; and where the predictor knows uncertainty the
        negative log density, the CRPS and the share of readings within the 90 % interval, else NaN.
    """
    from scipy.stats import spearmanr

    gap = prediction.mean - truth
    spread = float(np.square(truth - truth.mean()).sum())
    flat = np.ptp(prediction.mean) == 0 or np.ptp(truth) == 0
    found = {
        "mse": float(np.square(gap).mean()),
        "mae": float(np.abs(gap).mean()),
        "r2": 1 - float(np.square(gap).sum()) / spread if spread > 0 else float("nan"),
        "rank_correlation": float("nan") if flat else float(spearmanr(prediction.mean, truth).statistic),
        "nll": float("nan"),
        "crps": float("nan"),
        "coverage": float("nan"),
    }
    if prediction.law is not None:
        ends = prediction.law.quantile(np.array([0.05, 0.95]))
        found["nll"] = -float(prediction.law.log_density(truth).mean())
        found["crps"] = float(prediction.law.crps(truth).mean())
        found["coverage"] = float(((truth >= ends[:, 0]) & (truth <= ends[:, 1])).mean())
    return found


def _split(curves: CurveSet, case: CurveCase) -> tuple[CurveSet, CurveSet | None, CurveSet]:
    train, validation, test = (curves.take(rows) for rows in split(len(curves), seed=case.seed))
    return train, validation, test


def _tasks(curves: CurveSet, case: CurveCase) -> tuple[CurveSet, CurveSet | None, CurveSet]:
    """Cut by tasks; of each new task some curves go into training, the same number of predictors' choice or not."""
    rng = np.random.default_rng(case.seed)
    names = rng.permutation(sorted(set(curves.tasks)))
    old = set(names[: case.n_task].tolist())
    tasks = np.array(curves.tasks)
    is_train = np.isin(tasks, list(old))
    is_test = ~is_train
    for name in names[case.n_task :]:
        rows = rng.permutation(np.flatnonzero(tasks == name))  # drawn either way, so that the parts agree
        is_train[rows[: case.n_own]] = True
        is_test[rows[:20]] = False  # never tested, so that 0 and 20 own curves are compared on the same rest
    return curves.take(is_train), None, curves.take(is_test)


def _measure(case: CurveCase) -> tuple[CurveCase, dict[str, float], str]:
    try:
        return case, measure_case(case), ""
    except At2Error as error:
        _log.warning("%s failed: %s", case, error)
        return case, {}, str(error)


def _lost(case: CurveCase) -> tuple[CurveCase, dict[str, float], str]:
    return case, {}, "its process died"


def _read(path: Path) -> pd.DataFrame:
    fields = [field.name for field in dataclasses.fields(CurveCase)]
    if not path.is_file():
        return pd.DataFrame(columns=[*fields, *MEASURES])
    frame = read_frame_file(path)
    if not set(fields) <= set(frame.columns):
        raise FileError(f"{path}: not results of curve predictors; choose another --record", path=path)
    words = {name: frame[name].astype(object).where(frame[name].notna(), "") for name in ("task", "scaling")}
    return frame.assign(**words)  # an empty word comes back from a CSV as NaN


def _rows_of(frame: pd.DataFrame, case: CurveCase) -> npt.NDArray[np.bool_]:
    """Return which rows of the results are of a case."""
    hit = np.ones(len(frame), dtype=bool)
    for name, value in dataclasses.asdict(case).items():
        wanted = Path(value).name if name == "data" else value
        column = frame[name].map(lambda text: Path(str(text)).name) if name == "data" else frame[name]
        hit &= (column == wanted).to_numpy(dtype=bool)
    return hit


def iterate_names(results: pd.DataFrame) -> Iterator[str]:
    """Yield the predictors of results, each with its scaling where one was chosen."""
    for name, scaling in zip(results["predictor"], results["scaling"], strict=True):
        yield f"{name} ({scaling})" if scaling else str(name)
