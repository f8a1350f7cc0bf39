"""Why a recommender answers as it does: sources, hyperparameters, leading curves, and the next query."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from at2.errors import FileError, TableError
from at2.recommend.explain.leading import leading_readings
from at2.scalars import is_whole
from at2.tables import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from at2.recommend.problem.problem import Problem
    from at2.recommend.query import ConfigId
    from at2.recommend.recommender import Recommender
    from at2.surrogate import Belief

_MOST_BINS, _LEAST_IN_BIN = 8, 5


@dataclass(frozen=True)
class Explanation:
    """What a recommender believes, in four frames; `text` and `figure` show the same.

    Args:
        target: Name of the target.
        headline: The recommendation in one sentence.
        metric: Name of the metric.
        sources: A row for each source, the most similar first. Columns: ``source``; ``weight`` and ``std``, its
            posterior weight, where the surrogate weighs its sources; ``correlation``, the rank correlation of the
            target's predicted values with the source's own.
        hyperparameters: A row for each, the most important first. Columns: ``hyperparameter``; ``share``, the share
            of the variance of the predicted values that its main effect explains (see `main_effect_shares`).
        leaders: A row for each epoch of each leading configuration. Columns: ``rank`` (from 1), ``config_id``,
            ``epoch``, ``mean``, ``low``, ``high`` (a 90 % interval of a reading), ``seen`` (NaN where not told).
        next_query: The configuration that `ask` would advance now, and its runners-up. Columns: ``rank`` (from 1),
            ``config_id``, ``epoch``, ``gain_per_cost`` (in the units of the acquisition), ``lookahead`` (number of
            epochs at which that gain lies), ``cost`` (of the look-ahead, in the unit of the budget), ``gain``. Empty
            where there is nothing to ask for.
        reason: Why that query, or why none, in one sentence.
    """

    target: str
    headline: str
    metric: str
    sources: pd.DataFrame
    hyperparameters: pd.DataFrame
    leaders: pd.DataFrame
    next_query: pd.DataFrame
    reason: str

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The four frames by name."""
        names = ("sources", "hyperparameters", "leaders", "next_query")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """The explanation as plain text."""
        last = self.leaders.groupby("rank", sort=True).tail(1)
        parts = [
            self.headline,
            _section("Similarity of the sources", self.sources.head(10), "no source tasks"),
            _section(
                "Hyperparameters by their share of the variance of predicted ranks",
                self.hyperparameters,
                "none that varies",
            ),
            _section(f"Leading configurations: {self.metric} after the last epoch, 90 % interval", last, "none"),
            _section(f"Next query: {self.reason}", self.next_query, "nothing to ask for"),
        ]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; None stands for what is not known."""
        words = {"target": self.target, "headline": self.headline, "metric": self.metric, "reason": self.reason}
        return {**words, **{name: _records(frame) for name, frame in self.frames.items()}}

    def long(self) -> pd.DataFrame:
        """Return all four frames as one: ``section``, ``row`` (from 1), ``name``, ``value``; for CSV."""
        rows = [
            (section, number, name, value)
            for section, frame in self.frames.items()
            for number, record in enumerate(_records(frame), 1)
            for name, value in record.items()
        ]
        return pd.DataFrame(rows, columns=["section", "row", "name", "value"])

    def figure(self) -> Figure:
        """Draw four panels: sources, hyperparameters, leading curves, next query; needs no screen."""
        from at2.recommend.explain.figure import draw_explanation

        return draw_explanation(self)

    def save_figure(self, path: str | os.PathLike[str]) -> None:
        """Write the figure, whole or not at all, in the format that the ending names: .png, .pdf or .svg.

        Raises:
            FileError: If the ending is another one, or the file cannot be written.
        """
        place = Path(path)
        ending = place.suffix.lower().removeprefix(".")
        if ending not in ("png", "pdf", "svg"):
            raise FileError(f"a figure ends in .png, .pdf or .svg, got {place.name!r}", path=place)
        figure = self.figure()
        with whole_file(place) as temporary:
            figure.savefig(temporary, format=ending, dpi=150)


def explain(recommender: Recommender, *, n_leading: int = 3, n_runner_up: int = 3) -> Explanation:
    """Explain what a recommender believes now; it is left as it was.

    Args:
        recommender: The recommender.
        n_leading: Number of configurations whose curves are shown.
        n_runner_up: Number of configurations beside the next one whose gains are shown.

    Raises:
        TableError: If every candidate has failed, or a number is none.
    """
    if not (is_whole(n_leading) and n_leading >= 1 and is_whole(n_runner_up) and n_runner_up >= 0):
        raise TableError(f"wanted at least 1 leading configuration and 0 others, got {n_leading!r} and {n_runner_up!r}")
    best = recommender.recommend()
    problem, belief = recommender.problem, recommender.belief
    metric = problem.metric or "the metric"
    next_query = explain_next(recommender, n=1 + n_runner_up)
    return Explanation(
        target=recommender.target,
        headline=(
            f"For {recommender.target!r} configuration {best.config_id!r} is recommended: {metric} "
            f"{best.mean:.4g} +- {best.std:.2g} expected, best at epoch {best.epoch}; {best.n_epochs_seen} of the "
            f"{best.n_epochs_spent} epochs told so far were its own."
        ),
        metric=metric,
        sources=source_similarity(belief, problem),
        hyperparameters=main_effects(belief, problem),
        leaders=leading_curves(recommender, n=n_leading),
        next_query=next_query,
        reason=_reason(recommender, next_query),
    )


def source_similarity(belief: Belief, problem: Problem) -> pd.DataFrame:
    """Return how similar the target turned out to each source (see `Explanation`)."""
    history = problem.history
    curves = torch.where(torch.isfinite(history.mean_over_seeds()), history.mean_over_seeds(), -torch.inf)
    best = curves.amax(2).cpu().numpy()  # (n_source, n_config)
    target = belief.values().mean.cpu().numpy()
    frame = pd.DataFrame({"source": list(problem.sources)})
    order = "correlation"
    weights = belief.source_weights() if hasattr(belief, "source_weights") else None
    if weights is not None and len(weights.mean) == len(frame) > 0:
        frame["weight"], frame["std"] = weights.mean.cpu().numpy(), weights.std.cpu().numpy()
        order = "weight"
    frame["correlation"] = [rank_correlation(own, target) for own in best]
    return frame.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation over the finite pairs; NaN for fewer than three, or a constant side.

    Example:
        >>> import numpy as np
        >>> rank_correlation(np.array([1.0, 2.0, 9.0, np.nan]), np.array([0.1, 0.2, 0.3, 0.4]))
        1.0
    """
    both = np.isfinite(one) & np.isfinite(other)
    ranks = [pd.Series(side[both]).rank().to_numpy() for side in (one, other)]
    if both.sum() < 3 or any(np.ptp(rank) == 0 for rank in ranks):
        return math.nan
    return round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 12)


def main_effects(belief: Belief, problem: Problem) -> pd.DataFrame:
    """Return the share of every hyperparameter in the variance of the candidates' ranks by predicted value.

    Of ranks, because a few configurations that are expected to diverge make up nearly all of the variance of a loss.
    """
    rows = torch.nonzero(problem.is_candidate)[:, 0].tolist()
    ranks = pd.Series(belief.values().mean.cpu().numpy()[rows]).rank().to_numpy()
    configs = [problem.configs[row] for row in rows]
    shares = main_effect_shares(configs, ranks)
    frame = pd.DataFrame({"hyperparameter": list(shares), "share": list(shares.values())})
    return frame.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def main_effect_shares(configs: Sequence[Any], values: np.ndarray) -> dict[str, float]:
    """Return which share of the variance of some values the main effect of each hyperparameter explains.

    The configurations fall into groups: by choice, or by up to eight quantiles of a number; those in which the
    hyperparameter is inactive are a group of their own. With k groups of n values, squares ``between`` and ``within``
    them, the share is ``(between - (k - 1) within / (n - k)) / total``, not below 0: Kelley's epsilon squared, the
    share that remains of the correlation ratio once what k groups explain by chance is taken off.

    Args:
        configs: Active hyperparameters of n configurations.
        values: Their values, shape ``(n,)``.

    Returns:
        A share in [0, 1] for every hyperparameter that varies. They need not add up to 1: what hyperparameters do only
        together is no main effect, and what goes along with another one counts for both.

    References:
        First-order shares: Hutter, Hoos, Leyton-Brown, An efficient approach for assessing hyperparameter importance,
        ICML 2014. The correction: Kelley, An unbiased correlation ratio measure, PNAS 21, 1935.
    """
    names = dict.fromkeys(name for config in configs for name in config)
    shares = {}
    for name in names:
        groups = _groups([config.get(name) for config in configs])
        if len(np.unique(groups)) > 1:
            shares[name] = _epsilon_squared(groups, values)
    return shares


def _groups(settings: Sequence[Any]) -> np.ndarray:
    """Number of the group of every configuration; -1 is the group in which the hyperparameter is inactive."""
    active = np.array([setting is not None for setting in settings])
    column = pd.Series([setting for setting in settings if setting is not None])
    groups = np.full(len(settings), -1)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        most = min(_MOST_BINS, max(2, len(column) // _LEAST_IN_BIN))
        if column.nunique() > most:
            groups[active] = pd.qcut(column.rank(method="average"), most, labels=False, duplicates="drop")
            return groups
    groups[active] = pd.factorize(column)[0]
    return groups


def _epsilon_squared(groups: np.ndarray, values: np.ndarray) -> float:
    total = float(np.square(values - values.mean()).sum())
    members = [values[groups == group] for group in np.unique(groups)]
    n_free = len(values) - len(members)
    if total <= 0 or n_free < 1:
        return 0.0
    within = sum(float(np.square(own - own.mean()).sum()) for own in members)
    between = total - within
    return min(max((between - (len(members) - 1) * within / n_free) / total, 0.0), 1.0)


def leading_curves(recommender: Recommender, *, n: int) -> pd.DataFrame:
    """Return predicted curves of the configurations of the highest expected value, with 90 % intervals."""
    problem = recommender.problem
    rows, mean, half = leading_readings(recommender, n)
    seen = {(t.query.config_id, t.query.epoch): t.value for t in recommender.told}
    frames = []
    for rank, row in enumerate(rows, 1):
        name, epochs = problem.config_ids[row], range(1, mean.shape[1] + 1)
        told = [seen.get((name, epoch)) for epoch in epochs]
        own = {"rank": rank, "config_id": name, "epoch": epochs, "mean": mean[rank - 1]}
        own |= {"low": mean[rank - 1] - half[rank - 1], "high": mean[rank - 1] + half[rank - 1]}
        frames.append(pd.DataFrame({**own, "seen": pd.Series(told, dtype=float)}))
    return pd.concat(frames, ignore_index=True)


def explain_next(recommender: Recommender, *, n: int) -> pd.DataFrame:
    """Return what `ask` would choose now and what comes after it, in order (see `Explanation`)."""
    problem, state = recommender.problem, recommender.state()
    rows = []
    for rank, choice in enumerate(recommender.ranked_choices(n), 1):
        cost = float(state.price(torch.tensor([choice.config]), torch.tensor([choice.lookahead]))[0])
        name: ConfigId = problem.config_ids[choice.config]
        epoch = int(state.done[choice.config]) + 1
        rows.append((rank, name, epoch, choice.gain, choice.lookahead, cost, choice.gain * cost))
    names = ["rank", "config_id", "epoch", "gain_per_cost", "lookahead", "cost", "gain"]
    return pd.DataFrame(rows, columns=names)


def _reason(recommender: Recommender, next_query: pd.DataFrame) -> str:
    stopped = recommender.stopped_because
    if stopped is not None:
        return f"none, because {stopped}."
    if next_query.empty:
        return f"none before one of the {len(recommender.pending)} queries that are still out is told."
    (first, *others), unit = _records(next_query), recommender.budget.unit
    said = (
        f"epoch {first['epoch']} of configuration {first['config_id']!r}: {first['lookahead']} further epochs of it, "
        f"for {first['cost']:.3g} {unit}s, promise the largest gain per {unit}"
    )
    if others and others[0]["gain_per_cost"] > 0:
        ratio = first["gain_per_cost"] / others[0]["gain_per_cost"]
        said += f", {ratio:.3g} times that of configuration {others[0]['config_id']!r}"
    return said + "."


def _section(title: str, frame: pd.DataFrame, empty: str) -> str:
    body = empty if frame.empty else frame.to_string(index=False, float_format=lambda x: f"{x:.4g}", na_rep="-")
    return f"{title}\n" + "\n".join(f"  {line}" for line in body.splitlines())


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON values."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
