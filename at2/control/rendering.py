"""A training told in a line a step, or drawn: learning rates chosen, losses reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from at2.control.episode import Episode

_SIZE_INCHES, _DPI = (5.0, 4.0), 80


@dataclass
class Story:
    """What a training has shown so far.

    Args:
        name: Name of the instance.
        steps: Observation entries after every step.
        cutoff_steps: Steps of the episode.
    """

    name: str = ""
    steps: list[dict[str, float]] = field(default_factory=list)
    cutoff_steps: int = 0

    def add(self, episode: Episode) -> None:
        """Note a step."""
        self.steps.append(dict(episode.values))
        self.cutoff_steps = episode.cutoff_steps

    def line(self) -> str:
        """Give the last step as one line."""
        if not self.steps:
            return f"instance {self.name}: before the first step"
        last = self.steps[-1]
        state = "  crashed" if last["crashed"] else ""
        return (
            f"instance {self.name}: step {len(self.steps)}/{self.cutoff_steps}  lr {last['learning_rate']:.3g}  "
            f"training loss {last['training_loss']:.4f}  validation loss {last['validation_loss']:.4f}{state}"
        )

    def image(self) -> np.ndarray:
        """Draw learning rates above losses, shape (height, width, 3), uint8."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True)
        self._draw(above, ("learning_rate",))
        self._draw(below, ("training_loss", "validation_loss"))
        above.set_title(f"instance {self.name}", fontsize="medium")
        below.set_xlabel("step")
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]

    def _draw(self, panel: Any, names: tuple[str, ...]) -> None:
        steps = range(1, len(self.steps) + 1)
        for name in names:
            panel.plot(steps, [max(step[name], 1e-12) for step in self.steps], label=name.replace("_", " "), marker=".")
        panel.set_yscale("log")
        panel.legend(frameon=False, fontsize="small")
        panel.set_xlim(0, max(self.cutoff_steps, 1) + 1)
