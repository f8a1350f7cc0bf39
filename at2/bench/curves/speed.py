"""How long the default predictor and the LSTM take, beside a fixed piece of linear algebra and a plain torch loop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from at2.bench.speed.readings import Reading, peak_memory_mb, time_reference
from at2.curves.data import CurveSet
from at2.curves.registry import make_predictor

__all__ = ["measure_curve_speed"]

_N_TRAIN = 1200
_N_PREDICT = 10_000
_LENGTH, _N_EPOCH = 10, 51
_LSTM_EPOCHS = 3
_N_PREDICTION = 5  # predictions, of which the median is taken


def measure_curve_speed(*, n_train: int = _N_TRAIN, n_predict: int = _N_PREDICT, repeats: int = 9) -> Iterator[Reading]:
    """Time training and prediction of the default, and the LSTM beside a plain ``torch.nn.LSTM`` loop.

    The curves are made up, with seven hyperparameters and 51 epochs. Loop and predictor take turns, so that a machine
    that is busy is busy for both.

    Args:
        n_train: Curves to train on.
        n_predict: Curves to predict.
        repeats: Turns of the LSTM.

    Yields:
        One reading after the other; ratios of the default to the reference of `at2.bench.speed.readings`, the LSTM
        to the plain loop.
    """
    reference_s = time_reference()
    curves, asked = _made_up(n_train, seed=0), _made_up(n_predict, seed=1)
    start = time.perf_counter()
    predictor = make_predictor("default", prefix=_LENGTH).fit(curves)
    fit_s = time.perf_counter() - start
    yield Reading(f"default, fit on {n_train} curves", fit_s, "s", 60.0, fit_s / reference_s)
    predict_s = _median_s(lambda: predictor.predict(asked.configs, asked.curves[:, :_LENGTH]), _N_PREDICTION)
    yield Reading(f"default, predict {n_predict} curves", predict_s, "s", 1.0, predict_s / reference_s)
    yield Reading("default, peak memory", peak_memory_mb(), "MB", None, None)
    ours, plain = _in_turns(lambda: _fit_lstm(curves), lambda: _plain_lstm(curves), repeats)
    yield Reading(f"LSTM, {_LSTM_EPOCHS} epochs on {n_train} curves", ours, "s", 1.1 * plain, ours / plain)
    yield Reading("plain torch.nn.LSTM loop, the same work", plain, "s", None, 1.0)


def _made_up(n: int, *, seed: int) -> CurveSet:
    """Return losses that fall exponentially, at a rate and to a floor that the configuration decides."""
    rng = np.random.default_rng(seed)
    configs = rng.uniform(size=(n, 7))
    floor, rate = 0.3 + configs[:, :1], 0.02 + 0.3 * configs[:, 1:2]
    losses = floor + 2.0 * np.exp(-rate * np.arange(1, _N_EPOCH + 1))
    return CurveSet(configs, losses * np.exp(0.01 * rng.standard_normal((n, _N_EPOCH))))


def _fit_lstm(curves: CurveSet) -> None:
    make_predictor("lstm", prefix=_LENGTH, n_epoch=_LSTM_EPOCHS).fit(curves)


def _plain_lstm(curves: CurveSet) -> None:
    """Train the same network on the same curves as anyone would write it down, with the same held-out part."""
    readings = torch.as_tensor(curves.curves[:, :_LENGTH, None], dtype=torch.float32)
    configs = torch.as_tensor(curves.configs, dtype=torch.float32)[:, None].expand(-1, _LENGTH, -1)
    inputs, targets = torch.cat([configs, readings], 2), torch.as_tensor(curves.curves[:, -1], dtype=torch.float32)
    body, head = nn.LSTM(inputs.shape[2], 100, batch_first=True), nn.Linear(100, 1)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=2e-3)
    n_held = len(targets) // 10
    for _ in range(_LSTM_EPOCHS):
        for rows in torch.randperm(len(targets) - n_held).split(64):  # type: ignore[no-untyped-call]
            loss = nn.functional.mse_loss(head(body(inputs[n_held + rows])[0][:, -1])[:, 0], targets[n_held + rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_([*body.parameters(), *head.parameters()], 5.0)
            optimizer.step()
        with torch.no_grad():
            nn.functional.mse_loss(head(body(inputs[:n_held])[0][:, -1])[:, 0], targets[:n_held])


def _median_s(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a piece of work."""
    return _in_turns(work, lambda: None, repeats)[0]


def _in_turns(first: Callable[[], object], second: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median seconds of two pieces of work that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for work, seconds in zip((first, second), times, strict=True):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])
