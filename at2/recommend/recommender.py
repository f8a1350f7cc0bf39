"""The recommender: ask which epoch to train, tell what it gave, and get a configuration at any time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from at2.devices import usable_device
from at2.errors import HistoryError, TableError
from at2.recommend.acquisition.default import default_acquisition
from at2.recommend.acquisition.knowledge_gradient import Acquisition, Choice
from at2.recommend.budget import Budget
from at2.recommend.device import fit_on
from at2.recommend.journal.header import check_header, make_header
from at2.recommend.journal.ledger import Ledger, SearchState, Told
from at2.recommend.journal.log import RunLog
from at2.recommend.journal.run import Run
from at2.recommend.problem.problem import Candidates, build_problem
from at2.recommend.problem.report import HistoryReport
from at2.recommend.query import Query, Recommendation
from at2.recommend.settings import as_budget, as_candidates, as_goal, as_history, as_seed, as_space, as_task_name
from at2.recommend.stopping import Gauge, StoppingRule, gain_of_an_epoch, probability_within
from at2.surrogate import Belief, EpochCosts, Surrogate, make_surrogate

if TYPE_CHECKING:
    from at2.recommend.explain.explanation import Explanation
    from at2.recommend.settings import Goal, History


class Recommender:
    """Recommends a configuration for a target task within a budget, learning from earlier tasks.

    It never reads the target's own curves, even where the table holds them. Fitting to the sources happens at the first
    `ask` or `recommend`. Every query is one epoch of one configuration; trainings are paused and taken up again. `ask`
    may be called again before `tell`, and results may come back in any order: the order of the calls alone decides.

    Args:
        table: Earlier tasks, as `at2.tune` takes its history; None has none (then `candidates`, `n_epoch` are needed).
        target: Name of the task to tune for; known to the table or new.
        sources: Tasks to learn from; None takes all but the target.
        candidates: What may be recommended: ids of the table's configurations, new configurations as dicts, or both;
            `SampledCandidates`, or their number, draws from the space; None takes all of the table's.
        space: Search space, as `at2.tune` takes it; None takes the table's.
        budget: What may be spent; words such as ``"100 epochs"`` will do.
        seed: Seed of everything random.
        metric: Metric of the table to optimize; None takes its default.
        maximize: Whether larger is better; None asks the table.
        n_epoch: Length of a full training; None takes the table's. Epochs beyond the history's are extrapolated.
        rename: Names of hyperparameters in the table to the names used here.
        goal: ``"recommend"``: the configuration that is best when trained in full, later; ``"train"``: the best model
            when the budget ends.
        utility: What one unit of the budget (an epoch, a second) is worth in the unit of the metric: the run stops when
            the next epochs are expected to gain less per unit than this. None never stops for it.
        tolerance: Stop when the recommendation is within this of the best, in the unit of the metric; None never does.
        confidence: With which probability it must be that close; None takes 0.9 where there is a tolerance.
        surrogate: Name of a surrogate, or any object with its `fit`.
        acquisition: Rule that picks the next epoch; None takes the one that fits surrogate, goal and sources.
        device: Where the surrogate computes, such as ``"cuda"``; None stays on the CPU.
        journal: File in which every call is kept (see `resume`); it must not exist yet.

    Raises:
        UnknownNameError: If a task, configuration, metric or surrogate is unknown.
        TableError: If the parts do not fit together, such as a source that is the target.
        SpaceError: If a candidate breaks the rules of the space.
        FileError: If the journal exists already or cannot be written.
        StoppingError: If utility, tolerance or confidence make no sense.
        DeviceError: If the device cannot be used here.

    Example:
        >>> configs = [{"lr": 0.1}, {"lr": 0.01}, {"lr": 0.001}]
        >>> rec = Recommender(target="mine", candidates=configs, n_epoch=3, budget=Budget(epochs=7))
        >>> while (query := rec.ask()) is not None:
        ...     rec.tell(query, 1.0 - 9 * abs(query.config["lr"] - 0.01) - 0.1 / query.epoch)
        >>> rec.recommend().config
        {'lr': 0.01}
    """

    def __init__(
        self,
        table: History = None,
        *,
        target: str,
        budget: Budget | str,
        sources: Sequence[str] | None = None,
        candidates: Candidates | int | None = None,
        space: Any = None,
        seed: int = 0,
        metric: str | None = None,
        maximize: bool | None = None,
        n_epoch: int | None = None,
        rename: Mapping[str, str] | None = None,
        goal: Goal = "recommend",
        utility: float | None = None,
        tolerance: float | None = None,
        confidence: float | None = None,
        surrogate: str | Surrogate = "default",
        acquisition: Acquisition | None = None,
        device: str | torch.device | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        table, space, candidates = as_history(table), as_space(space), as_candidates(candidates)
        target, budget, seed, goal = as_task_name(target), as_budget(budget), as_seed(seed), as_goal(goal)
        self.target, self.budget, self.seed, self.goal = target, budget, seed, goal
        self.stopping = StoppingRule(utility=utility, tolerance=tolerance, confidence=confidence)
        self._device = None if device is None else usable_device(device, dtype=torch.float64)
        self._surrogate = make_surrogate(surrogate) if isinstance(surrogate, str) else surrogate
        self.problem = build_problem(
            table,
            target=target,
            sources=sources,
            candidates=candidates,
            space=space,
            metric=metric,
            maximize=maximize,
            n_epoch=n_epoch,
            rename=rename,
            seed=seed,
        )
        history = self.problem.history
        self._acquisition = acquisition or default_acquisition(
            self._surrogate, goal, history, priced=utility is not None, seed=seed
        )
        self._gauge = Gauge(trained=goal == "train", asked=self._acquisition)
        costs = EpochCosts(history.n_config, self.problem.source_seconds, history.features)
        is_candidate, trained = self.problem.is_candidate, goal == "train"
        ledger = Ledger(is_candidate, n_epoch=history.n_epoch, budget=budget, costs=costs, trained=trained)
        header = make_header(
            self.problem,
            table_name=None if table is None else table.name,
            space=None if space is None and table is not None else self.problem.space,
            candidates=candidates,
            target=target,
            budget=budget,
            seed=seed,
            goal=goal,
            stopping=self.stopping,
            surrogate=surrogate,
        )
        self._run = Run(self.problem, ledger, RunLog(header))
        self._belief: Belief | None = None
        self._n_observed = 0
        if journal is not None:
            self._run.log.start(journal)

    @property
    def sources(self) -> tuple[str, ...]:
        """Tasks that are learnt from."""
        return self.problem.sources

    @property
    def history_report(self) -> HistoryReport:
        """What of the history was used, what was skipped, and why; as text (``print``) and as ``.frame``."""
        return self.problem.report

    @property
    def header(self) -> Mapping[str, Any]:
        """How it was made, as the first line of its journal says it."""
        return dict(self._run.log.header)

    @property
    def told(self) -> tuple[Told, ...]:
        """All results so far, in the order in which they were told."""
        return tuple(self._run.ledger.told)

    @property
    def pending(self) -> tuple[Query, ...]:
        """Queries that were asked and not told yet, oldest first."""
        return tuple(self._run.ledger.pending.values())

    @property
    def eligible(self) -> torch.Tensor:
        """Which configurations may be recommended, ``(n_config,)``: candidates that have not failed."""
        return self._run.ledger.eligible.clone()

    @property
    def belief(self) -> Belief:
        """What is believed about the target after everything told; fits the surrogate at first use."""
        if self._belief is None:
            self._belief = fit_on(self._surrogate, self.problem.history, seed=self.seed, device=self._device)
        for result in self._run.ledger.told[self._n_observed :]:
            if result.value is not None:
                config = self.problem.rows[result.query.config_id]
                self._belief.observe(config, result.query.epoch - 1, self.problem.oriented(result.value))
            self._n_observed += 1
        return self._belief

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but the belief, which is made anew from what was told."""
        return {**self.__dict__, "_belief": None, "_n_observed": 0}

    @property
    def spent(self) -> float:
        """What was spent so far, in the unit of the budget: results that were told, and the costs of entering."""
        return self._run.ledger.spent

    @property
    def stopped_because(self) -> str | None:
        """Why `ask` returns None for good, in words; None while there is, or may be, something to ask for."""
        return self._run.ended_because()

    def ask(self) -> Query | None:
        """Return the next epoch to train.

        Returns:
            A query to train and tell; None when the budget is spent, every curve is complete or failed, a stopping rule
            holds (`stopped_because` says which), or all that is worth asking for waits for queries that are still out.
            After `resume`, queries that were never told come first.

        Raises:
            FileError: If the journal cannot be written; then nothing was asked.
        """
        lost = self._run.ask_lost()
        if lost is not None:
            return lost
        state = self.state()
        if self._run.stopped is not None or not bool((state.horizon > 0).any()):
            return None
        choice = self._acquisition.choose(self._outlook(), state)
        prospect = None if self.stopping.utility is None else self._prospect(state, choice)
        reason = self._reason_to_stop(prospect, state)
        if reason is not None:
            if not self._run.ledger.pending:  # what is still out may change the answer
                self._run.stop(reason)
            return None
        return self._run.ask(choice.config, expected_gain=gain_of_an_epoch(choice, prospect, state))

    def expected_gain(self) -> float:
        """Return what the next epochs are expected to gain per unit of the budget, in the unit of the metric.

        Where it falls below `utility`, the run stops; 0 where nothing is left to ask for. With ``goal="train"`` and a
        `utility` it is lower where too little came of such expectations.
        """
        state = self.state()
        return self._believed(self._prospect(state)) if bool((state.horizon > 0).any()) else 0.0

    def explain(self, *, n_leading: int = 3, n_runner_up: int = 3) -> Explanation:
        """Explain the recommendation and the next query: as text, as frames and as a figure.

        Args:
            n_leading: Number of configurations whose curves are shown.
            n_runner_up: Number of configurations beside the next one whose gains are shown.

        Raises:
            TableError: If every candidate has failed.
        """
        from at2.recommend.explain.explanation import explain

        return explain(self, n_leading=n_leading, n_runner_up=n_runner_up)

    def state(self) -> SearchState:
        """Return what may still be asked for and recommended, and what it would cost."""
        return self._run.state()

    def ranked_choices(self, n: int) -> list[Choice]:
        """Return up to n choices: what `ask` would choose now, and then if the ones before could not be had."""
        state = self.state()
        choices: list[Choice] = []
        while len(choices) < n and bool((state.horizon > 0).any()):
            choices.append(self._acquisition.choose(self._outlook(), state))
            state.horizon[choices[-1].config] = 0
        return choices

    def _outlook(self) -> Belief:
        """The belief, with queries that are still out as if they came back as expected."""
        belief = self.belief
        if self._run.ledger.pending:
            belief = belief.fork()
            for query in self._run.ledger.pending.values():
                belief.fantasize(self.problem.rows[query.config_id], query.epoch - 1)
        return belief

    def _prospect(self, state: SearchState, choice: Choice | None = None) -> Choice:
        """What gains most of all look-aheads, per unit of the budget, in the unit of the metric."""
        if choice is None or self._acquisition != self._gauge.rule:
            choice = self._gauge.rule.choose(self._outlook(), state)
        return self._gauge.in_metric(choice, self.belief, state)

    def _believed(self, prospect: Choice) -> float:
        """Its gain, as far as such gains came so far."""
        return prospect.gain * self._gauge.share(self._run.ledger.told, sign=self.problem.sign)

    def _reason_to_stop(self, prospect: Choice | None, state: SearchState) -> str | None:
        rule, name, reason = self.stopping, self.problem.metric or "metric", None
        if prospect is not None:
            reason = rule.not_worth_it(self._believed(prospect), metric=name, unit=self.budget.unit)
        if rule.tolerance is not None and reason is None:
            config = self._recommended(state)
            probability = probability_within(
                self.belief,
                state,
                config=config,
                seen=self._run.ledger.best_readings(sign=self.problem.sign),
                tolerance=rule.tolerance,
                trained=self.goal == "train",
                seed=self.seed,
            )
            reason = rule.close_enough(probability, config_id=self.problem.config_ids[config], metric=name)
        return reason

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        """Take a result; with a journal, it is on disk when this returns.

        Args:
            query: What `ask` returned; each is told once, in any order.
            value: The metric measured after that epoch, in its own units.
            failed: True if the training diverged or crashed; the configuration is never asked for again.
            seconds: What the epoch took; needed where the budget is in seconds.

        Raises:
            TellError: If the query is not open, or the value is not a finite number; nothing has changed then.
            FileError: If the journal cannot be written; nothing has changed then.
        """
        self._run.tell(query, value, failed=failed, seconds=seconds)

    def recommend(self) -> Recommendation:
        """Return the configuration that looks best so far; may be called at any time, also before the first query.

        Returns:
            With ``goal="recommend"`` the candidate whose curve is expected to reach the best value; with
            ``goal="train"`` the one that has shown the best value, once any has, though it may have failed later.

        Raises:
            TableError: If every candidate has failed, and none is recommended for what it had shown.
        """
        config = self._recommended(self.state())
        values = self.belief.values()
        readings = self.belief.predict(torch.tensor([config])).mean[0]
        name = self.problem.config_ids[config]
        return Recommendation(
            config_id=name,
            config=dict(self.problem.configs[config]),
            mean=self.problem.sign * float(values.mean[config]),
            std=float(values.std[config]),
            epoch=int(readings.argmax()) + 1,
            n_epochs_seen=len(self._run.ledger.seen(name)),
            n_epochs_spent=len(self._run.ledger.told),
        )

    def _recommended(self, state: SearchState) -> int:
        """Row of the eligible configuration of the highest worth, or the best seen where that is the goal."""
        shown = self._run.ledger.best_shown(sign=self.problem.sign) if self.goal == "train" else None
        if shown is not None:
            return shown
        if not bool(state.eligible.any()):
            raise TableError("every candidate has failed; there is nothing to recommend: pass other candidates")
        return int(torch.where(state.eligible, self.belief.worth().cpu(), -torch.inf).argmax())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything so far to a journal, in place of whatever stood there, and go on writing to it.

        Raises:
            FileError: If the file cannot be written; an older file is left as it was.
        """
        self._run.log.save(path)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        table: History = None,
        *,
        surrogate: Surrogate | None = None,
        acquisition: Acquisition | None = None,
        device: str | torch.device | None = None,
    ) -> Recommender:
        """Rebuild a recommender from its journal and go on in the same file.

        Args:
            path: A journal, whole or with a torn last line.
            table: The table that it was made with; None loads a published one by its name.
            surrogate: The surrogate that it was made with, if that was an object and not a name.
            acquisition: The acquisition that it was made with, if one was given.
            device: Where the surrogate computes; the journal does not keep it.

        Returns:
            A recommender in the same state; queries that were asked but never told are handed out again first.

        Raises:
            CorruptFileError: If the journal is damaged.
            FileError: If it cannot be read.
            HistoryError: If the table is missing, or holds another history than the journal was written with.
        """
        log, place = RunLog.read(path), Path(path)
        settings, table = check_header(log.header, as_history(table), path=place, surrogate=surrogate)
        recommender = cls(table, acquisition=acquisition, device=device, **settings)
        if recommender.problem.sha256 != log.header["sha256"]:
            message = f"the journal {place} was written with another history; pass the table it was made with"
            raise HistoryError(message, table=log.header["table"])
        recommender._run.replay(log, path=place)
        return recommender
