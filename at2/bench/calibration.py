"""Are the beliefs as sure as they may be? Intervals and densities of cells that were not observed, against the truth.

The default recommender plays a target for some epochs. Then every cell of the target's curves that it has not seen is
predicted, and compared with what the table holds: how many lie within the central interval, and how high the log
predictive density is. Densities are in latent units (of the metric after the surrogate's warp), and so are those of
BoTorch's latent Kronecker process, fitted on the same target observations and, if asked for, on the same sources.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from at2.bench.replay.cases import cached_table, check_chosen, left_of, play_cases
from at2.bench.replay.objective import TableObjective, play
from at2.bench.replay.protocols import PROTOCOLS, Protocol
from at2.errors import At2Error, BudgetError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from at2.bench.replay.protocols import Case
    from at2.recommend import Recommender

PREDICTORS = ("at2", "latent-kronecker", "latent-kronecker with sources")
CALIBRATION_PROTOCOLS = tuple(name for name in PROTOCOLS if name != "unseen")
"""Those in which every configuration is a candidate."""
EPOCH_BANDS = ((1, 1), (2, 5), (6, 15), (16, 30), (31, math.inf))
AHEAD_BANDS = ((0, 0), (1, 3), (4, 10), (11, 30), (31, math.inf))  # 0: a configuration without a reading

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CalibrationPlan:
    """What is measured.

    Args:
        database: Name of a table, or the path of an HDF5 file.
        protocol: Targets and sources.
        n_epochs: Epochs that are observed before the rest is predicted.
        probability: Of the intervals.
        predictors: Which of `PREDICTORS`; the last takes about half a minute a target.

    Raises:
        BudgetError: If nothing is observed.
        At2Error: If the probability lies outside (0, 1), a predictor is unknown, or there is none, or wants sources
            where there are none, or the protocol is not one of `CALIBRATION_PROTOCOLS`.
    """

    database: str = "lcbench"
    protocol: Protocol = field(default_factory=Protocol)
    n_epochs: int = 50
    probability: float = 0.9
    predictors: tuple[str, ...] = PREDICTORS[:2]

    def __post_init__(self) -> None:
        """Check the numbers and names."""
        if self.n_epochs < 1:
            raise BudgetError(f"at least 1 epoch must be observed, {self.n_epochs} given")
        if not 0.0 < self.probability < 1.0:
            raise At2Error(f"a probability between 0 and 1 is wanted, {self.probability} given")
        check_chosen(self.predictors, PREDICTORS, what="predictors")
        if self.protocol.n_source == 0 and PREDICTORS[2] in self.predictors:
            raise At2Error(f"{PREDICTORS[2]!r} needs sources, and the protocol has 0; leave it out, or ask for sources")
        check_chosen((self.protocol.name,), CALIBRATION_PROTOCOLS, what="protocols of calibration")


def measure_calibration(
    plan: CalibrationPlan, *, jobs: int = 1, on_case: Callable[[Case], None] | None = None
) -> pd.DataFrame:
    """Play every target and predict what was not observed.

    Args:
        plan: What is measured.
        jobs: Processes at a time; 0 plays in this process.
        on_case: Called after each target.

    Returns:
        A row for each target, predictor and band: ``target``, ``draw``, ``predictor``, ``by`` ("all", "epoch" or
        "ahead"), ``band``, ``n_cell``, ``coverage`` (share of the cells in their intervals) and ``log_density`` (mean).

    Raises:
        At2Error: If a process dies.
    """
    import pandas as pd

    work = functools.partial(_play, plan)
    rows = []
    for case, results in play_cases(work, plan.protocol, plan.database, jobs=jobs, on_case=on_case):
        rows += [(case.target, case.draw, *result) for result in results]
    names = ["target", "draw", "predictor", "by", "band", "n_cell", "coverage", "log_density"]
    return pd.DataFrame(rows, columns=names)


def bands(observed: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """List the groups in which cells are judged.

    Args:
        observed: Which cells were observed, shape ``(n_config, n_epoch)``.

    Yields:
        What the group goes by, the name of the band, and its cells, shape ``(n_config, n_epoch)``; none is observed.
    """
    n_epoch = observed.shape[1]
    epoch = np.broadcast_to(np.arange(1, n_epoch + 1), observed.shape)
    length = np.where(observed.any(1), n_epoch - observed[:, ::-1].argmax(1), 0)[:, None]
    ahead = np.where(length > 0, np.maximum(epoch - length, 0), 0)
    yield "all", "all", ~observed
    for low, high in EPOCH_BANDS:
        yield "epoch", _band_name(low, high), ~observed & (epoch >= low) & (epoch <= high)
    for low, high in AHEAD_BANDS:
        name = "no reading" if high == 0 else _band_name(low, high)
        tried = (length == 0) if high == 0 else (length > 0)
        yield "ahead", name, ~observed & tried & (ahead >= low) & (ahead <= high)


def _band_name(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}-" if math.isinf(high) else f"{low:g}-{high:g}"


def _play(plan: CalibrationPlan, case: Case) -> tuple[Case, list[tuple[str, str, str, int, float, float]]]:
    from botorch.exceptions.errors import ModelFittingError

    from at2.recommend import Budget, Recommender

    table = cached_table(plan.database)
    objective = TableObjective(table, case.target, seed=case.seed % table.n_seed)
    tuner = Recommender(
        left_of(table, case),
        target=case.target,
        sources=list(case.sources),
        candidates=objective.candidates,
        budget=Budget(epochs=plan.n_epochs),
        seed=case.tuner_seed,
    )
    readings = _observe(tuner, objective)
    truth = table.oriented()[table.task_index(case.target), case.seed % table.n_seed]
    truth = truth[[table.config_index(name) for name in tuner.problem.config_ids]]
    rows = []
    for name in plan.predictors:
        try:
            covered, density = _judge(name, tuner, readings, truth, plan.probability)
        except ModelFittingError as error:
            _LOG.warning("%s, draw %d: %s is left out: %s", case.target, case.draw, name, error)
            continue
        for by, band, cells in bands(np.isfinite(readings)):
            chosen = cells & np.isfinite(truth)
            if chosen.any():
                mean = float(covered[chosen].mean()), float(density[chosen].mean())
                rows.append((name, by, band, int(chosen.sum()), *mean))
    return case, rows


def _observe(tuner: Recommender, objective: TableObjective) -> np.ndarray:
    """Play the tuner to the end; returns its readings (larger is better), ``(n_config, n_epoch)``, NaN elsewhere."""
    readings = np.full((tuner.problem.history.n_config, objective.n_epoch), np.nan)
    play(tuner, objective)
    for told in tuner.told:
        if told.value is not None:
            readings[tuner.problem.rows[told.query.config_id], told.query.epoch - 1] = tuner.problem.sign * told.value
    return readings


def _judge(
    name: str, tuner: Recommender, readings: np.ndarray, truth: np.ndarray, probability: float
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each cell's true value lies in its interval, and its log density; ``(n_config, n_epoch)`` each."""
    import torch

    from at2.bench.calibration_rivals import LatentKroneckerFit
    from at2.surrogate.transfer.settling import SettlingBelief

    belief, history = tuner.belief, tuner.problem.history
    assert isinstance(belief, SettlingBelief)  # the default
    latent = belief.warp.forward(torch.from_numpy(truth))
    if name == "at2":
        # Through the warp and back: a value beyond the warp's limits counts as the limit, in both.
        low, high = (belief.warp.forward(end) for end in belief.interval(probability))
        density = belief.log_density(torch.from_numpy(truth))
    else:
        sources = belief.warp.forward(history.mean_over_seeds()) if name == PREDICTORS[2] else None
        seen = belief.warp.forward(torch.from_numpy(readings))
        mean, variance = LatentKroneckerFit().predict(seen, history.features, sources, seed=tuner.seed)
        reach = variance.sqrt() * torch.special.ndtri(torch.tensor(0.5 * (1.0 + probability), dtype=mean.dtype))
        low, high = mean - reach, mean + reach
        density = _log_normal(latent, mean, variance)
    covered = (low - 1e-9 <= latent) & (latent <= high + 1e-9)
    return covered.numpy(), density.numpy()


def _log_normal(values: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    density: Tensor = -0.5 * ((values - mean).square() / variance + variance.log() + math.log(2.0 * math.pi))
    return density


def summarize_calibration(frame: pd.DataFrame) -> pd.DataFrame:
    """Give means over targets, each target counting alike, for every predictor and band.

    Args:
        frame: What `measure_calibration` gave.

    Returns:
        A row for each: ``predictor``, ``by``, ``band``, ``coverage`` and its standard error ``coverage_error``,
        ``log_density`` and ``log_density_error``, ``n_cell`` (in all) and ``n_run``.
    """
    groups = frame.groupby(["predictor", "by", "band"], sort=False)
    summary = groups[["coverage", "log_density"]].mean()
    errors = groups[["coverage", "log_density"]].sem().add_suffix("_error")
    summary = summary.join(errors)
    summary["n_cell"], summary["n_run"] = groups["n_cell"].sum(), groups.size()
    summary = summary.reset_index()
    order = {name: place for place, (_, name, _) in enumerate(bands(np.zeros((1, 1), dtype=bool)))}
    place = summary["by"].map({"all": 0, "epoch": 1, "ahead": 2}) * len(order) + summary["band"].map(order)
    predictor = summary["predictor"].map({name: place for place, name in enumerate(PREDICTORS)})
    return (
        summary.assign(_p=predictor, _b=place).sort_values(["_p", "_b"], ignore_index=True).drop(columns=["_p", "_b"])
    )
