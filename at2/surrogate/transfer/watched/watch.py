"""Whether configurations of the target fail, as they do on its sources, or as nobody has seen there.

A training that failed is no evidence about how far others deviate. Its readings are left out, and what it has reached
is all that it is worth. If it learns after all, they are told after all. Where most seem to have failed it is the
target that differs, and none has.

What is expected of a training hangs on the others: one that failed makes them look poor, and the next one that does no
longer stands out. Suspects are therefore judged once more by the readings of all but them, anew with each reading, and
what failed by that is left out as well if all readings are likelier so: those found one by one, or all that may have
failed together, whichever explains the readings best. Where no source shows how trainings fail, only that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from at2.surrogate.transfer.conditioned.posterior import Posterior
from at2.surrogate.transfer.fitted.failures import Failures
from at2.surrogate.transfer.watched.signs import Signs

_NOBODY: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Watch:
    """Which configurations of the target have failed, by the readings so far.

    Args:
        start: What is believed before the first reading.
        signs: What speaks for it that a configuration failed.
        left_out: Those that failed.
        told: Configuration, column and latent value of each reading so far; None where it is still out.
        beliefs: What is believed if the readings of some configurations are left out, by their rows.
    """

    start: Posterior
    signs: Signs
    left_out: frozenset[int] = _NOBODY
    told: tuple[tuple[int, int, float | None], ...] = ()
    beliefs: Mapping[frozenset[int], Posterior] = field(default_factory=dict)

    @classmethod
    def begin(cls, start: Posterior, failures: Failures) -> Watch:
        """Return the watch before the first reading."""
        return cls(start.fork(), Signs.none(failures), beliefs={_NOBODY: start.fork()})

    @property
    def posterior(self) -> Posterior:
        """What is believed; not to be changed."""
        return self.beliefs[self.left_out]

    @property
    def failed(self) -> Tensor:
        """Which configurations rather failed than not, ``(n_config,)``; of those never read none is said to have."""
        failed = torch.zeros_like(self.signs.read)
        failed[list(self.left_out)] = True
        return failed

    def observe(self, config: int, column: int, latent: float) -> Watch:
        """Take one reading into account."""
        signs = self.signs.after(self.start, self.posterior, config, column, latent)
        now = replace(self, signs=signs, told=(*self.told, (config, column, latent)))
        by_own = signs.failed_by_their_own if _are_few(signs.failed_by_their_own, signs) else _NOBODY
        now = replace(now, left_out=by_own, beliefs={by_own: now._leaving_out(by_own, before=self)})
        return now._judged(before=self) if signs.suspected > by_own else now

    def _judged(self, *, before: Watch) -> Watch:
        """The watch in which suspects are judged by what all others say, after one more reading than before."""
        by_own, suspected = self.left_out, self.signs.suspected
        beliefs = {**self.beliefs, suspected: self._leaving_out(suspected, before=before)}
        signs = self.signs.judged_anew(beliefs[suspected], suspected)
        more = {by_own | signs.failed_one_by_one, by_own | signs.failed_together(suspected)} - {by_own}
        candidates = [by_own, *sorted((failed for failed in more if _are_few(failed, signs)), key=len)]
        for failed in candidates:
            if failed not in beliefs:
                beliefs[failed] = self._leaving_out(failed, before=before)
        if len(candidates) == 1:
            return replace(self, beliefs=beliefs)
        density = {of: beliefs[of].log_evidence() + signs.log_evidence(beliefs[of], of) for of in candidates}
        return replace(self, left_out=max(candidates, key=density.__getitem__), beliefs=beliefs)

    def fantasize(self, config: int, column: int) -> Watch:
        """Take a reading into account that is still out."""
        beliefs = {left_out: posterior.fork() for left_out, posterior in self.beliefs.items()}
        for posterior in beliefs.values():
            posterior.fantasize(config, column)
        return replace(self, told=(*self.told, (config, column, None)), beliefs=beliefs)

    def _leaving_out(self, which: frozenset[int], *, before: Watch) -> Posterior:
        """What is believed by all readings but those of some configurations; but for the last one it may be known."""
        last = self.told[-1][0]
        known = before.beliefs.get(which if last in before.signs.readings else which - {last})
        posterior = (self.start if known is None else known).fork()
        for config, column, latent in self.told if known is None else self.told[-1:]:
            if latent is None:
                posterior.fantasize(config, column)
            elif config not in which:
                posterior.observe(config, column, latent)
        return posterior


def _are_few(failed: frozenset[int], signs: Signs) -> bool:
    return len(failed) <= signs.failures.most_of(signs.read)
