"""Optuna's samplers with Hyperband pruning: TPE (which makes it BOHB's recipe) and a Gaussian process."""

from typing import Any, Literal

from at2.recommend import Budget, Problem
from at2.rivals.knobs import Knobs
from at2.rivals.libraries import quiet, require
from at2.rivals.schedule import Schedule, ScheduledTuner


class OptunaSampler(ScheduledTuner):
    """Lets an Optuna sampler propose configurations, and Optuna's Hyperband pruner stop them.

    Proposals are snapped to the nearest unused candidate in the encoded space. Without transfer: sources are not read.
    What is recommended showed the best value so far.

    Args:
        problem: Candidates and direction of the metric.
        budget: What may be spent.
        seed: Seed of the sampler.
        sampler: ``"tpe"`` or ``"gp"``.

    Raises:
        MissingExtraError: If Optuna is not installed.

    References:
        Akiba et al., Optuna, KDD 2019; Falkner, Klein, Hutter, BOHB, ICML 2018.
    """

    def __init__(
        self, problem: Problem, *, budget: Budget, seed: int = 0, sampler: Literal["tpe", "gp"] = "tpe"
    ) -> None:
        super().__init__(problem, budget=budget, seed=seed)
        self._optuna = require("optuna")
        self._knobs = Knobs(problem)
        self._study = self._make_study(sampler, seed=seed % 2**32)

    def schedule(self) -> Schedule:
        """Yield one trial after the other, each until it is pruned or complete."""
        distributions = self._distributions()
        state = self._optuna.trial.TrialState
        unused = list(self.candidates)
        while unused:
            with quiet("optuna"):
                trial = self._study.ask(distributions)
            row = self._knobs.snap(trial.params, unused)
            unused.remove(row)
            yield from self._run(trial, row)
            with quiet("optuna"):
                if self.failed[row]:
                    self._study.tell(trial, state=state.FAIL)
                elif self.n_done[row] < self.n_epoch:
                    self._study.tell(trial, state=state.PRUNED)
                else:
                    self._study.tell(trial, float(self.best[row]))

    def _run(self, trial: Any, row: int) -> Schedule:
        """Yield a trial's epochs until the pruner has had enough of it."""
        for epoch in range(1, self.n_epoch + 1):
            yield row
            if self.failed[row]:
                return
            with quiet("optuna"):
                trial.report(float(self.latest[row]), step=epoch)
                if epoch < self.n_epoch and trial.should_prune():
                    return

    def _make_study(self, sampler: str, *, seed: int) -> Any:
        samplers = {"tpe": self._optuna.samplers.TPESampler, "gp": self._optuna.samplers.GPSampler}
        with quiet("optuna"):
            return self._optuna.create_study(
                direction="maximize",
                sampler=samplers[sampler](seed=seed),
                pruner=self._optuna.pruners.HyperbandPruner(
                    min_resource=1, max_resource=max(2, self.n_epoch), reduction_factor=3
                ),
                study_name=f"at2-{seed}",
            )

    def _distributions(self) -> dict[str, Any]:
        made = self._optuna.distributions
        return {
            knob.name: made.CategoricalDistribution(tuple(range(knob.n_choice)))
            if knob.n_choice
            else made.FloatDistribution(0.0, 1.0)
            for knob in self._knobs.knobs
        }
