"""Which controllers there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from at2.control.controllers.drawn import RandomController
from at2.control.controllers.hypergradient import HypergradientController
from at2.control.controllers.schedules import SCHEDULES, Build, ScheduleController
from at2.control.errors import ControlSettingError

if TYPE_CHECKING:
    from at2.control.controllers.protocol import Controller


def _recommended() -> Controller:
    from at2.control.controllers.recommended import RecommendedController

    return RecommendedController()


def _recommended_with_trials() -> Controller:
    from at2.control.controllers.recommended import RecommendedController

    return RecommendedController(trial_epochs=20)


def _learned() -> Controller:
    from at2.control.controllers.learned import LearnedController

    return LearnedController.published()


def _scheduled(build: Build) -> Callable[[], Controller]:
    return lambda: ScheduleController(build)


CONTROLLERS: dict[str, Callable[[], Controller]] = {
    **{name: _scheduled(build) for name, build in SCHEDULES.items()},
    "hypergradient": HypergradientController,
    "random": RandomController,
    "at2": _recommended,
    "at2-trials": _recommended_with_trials,
    "learned": _learned,
}
"""Name to what makes the controller."""


def controller_names() -> tuple[str, ...]:
    """Return the names that `make_controller` knows."""
    return tuple(CONTROLLERS)


def make_controller(name: str) -> Controller:
    """Make a controller.

    Raises:
        ControlSettingError: If there is none of that name; the message lists those there are.
        MissingExtraError: If it needs a library that is not installed.
    """
    if name not in CONTROLLERS:
        raise ControlSettingError(f"no controller {name!r}; there are {', '.join(CONTROLLERS)}")
    return CONTROLLERS[name]()
