"""Whatever the order in which workers ask, tell, fail, save and crash: budget, journal and belief stay sound."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from at2.recommend import Budget, Recommender
from tests.recommend.conftest import N_EPOCH, copied, make_table
from tests.recommend.test_recommender import Quick, make

MOVES = st.lists(st.sampled_from(["ask", "ask", "tell first", "tell last", "fail", "crash", "recommend"]), max_size=30)


@settings(max_examples=30, deadline=None)
@given(moves=MOVES, budget=st.integers(1, 12))
def test_any_order_of_calls_keeps_the_books(moves: list[str], budget: int) -> None:
    table = make_table()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        recommender = make(table, budget=Budget(epochs=budget), journal=path)
        for move in moves:
            recommender = _do(move, recommender, path, table)
            _check(recommender, budget)


def _do(move: str, recommender: Recommender, path: Path, table: object) -> Recommender:
    pending = recommender.pending
    if move == "ask":
        recommender.ask()
    elif move == "crash":
        return Recommender.resume(path, table, surrogate=Quick())
    elif move == "recommend":
        recommender.recommend()
    elif pending and move == "fail" and len({t.query.config_id for t in recommender.told if t.value is None}) < 6:
        recommender.tell(pending[0], failed=True)
    elif pending and move.startswith("tell"):
        recommender.tell(pending[0 if move == "tell first" else -1], 0.6)
    return recommender


def _check(recommender: Recommender, budget: int) -> None:
    queries = [t.query for t in recommender.told] + list(recommender.pending)
    assert len(queries) <= budget
    assert sorted(q.number for q in queries) == list(range(len(queries)))
    cells = [(q.config_id, q.epoch) for q in queries]
    assert len(set(cells)) == len(cells)
    assert all(1 <= epoch <= N_EPOCH for _, epoch in cells)
    assert len({q.config_id for q in recommender.pending}) == len(recommender.pending)


WORKER = """
import sys
from at2.recommend import Budget, Recommender
candidates = [{"lr": 10.0**-k} for k in range(1, 7)]
rec = Recommender(target="t", candidates=candidates, n_epoch=9, budget=Budget(epochs=50), journal=sys.argv[1])
while (query := rec.ask()) is not None:
    rec.tell(query, query.config["lr"] * query.epoch)
    print(query.number, flush=True)
"""


@pytest.mark.slow
def test_what_was_told_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    with worker.stdout:
        told = [int(worker.stdout.readline()) for _ in range(10)]
        worker.send_signal(signal.SIGKILL)
        told += [int(line) for line in worker.stdout if line.strip()]
    worker.wait(timeout=30)
    again = Recommender.resume(path)
    assert len(again.told) >= len(told)
    assert [t.query.number for t in again.told] == list(range(len(again.told)))
    assert all(t.value == t.query.config["lr"] * t.query.epoch for t in again.told)


@settings(max_examples=12, deadline=None)
@given(
    order=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(-1, 1, width=32)), max_size=12),
    n_worker=st.integers(1, 4),
    resume_cost=st.sampled_from([0.0, 0.5]),
)
def test_a_replay_from_the_journal_is_the_same_run(
    order: list[tuple[int, bool, float]], n_worker: int, resume_cost: float
) -> None:
    """Workers keep up to `n_worker` queries out; results come back in the drawn order, some of them failures."""
    table = make_table(seconds=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        budget = Budget(epochs=10, resume_cost=resume_cost)
        recommender = make(table, budget=budget, journal=path)
        for place, failed, value in order:
            while len(recommender.pending) < n_worker and recommender.ask() is not None:
                pass
            if not recommender.pending:
                break
            query = recommender.pending[place % len(recommender.pending)]
            n_failed = sum(t.value is None for t in recommender.told)
            if failed and n_failed < 4:
                recommender.tell(query, failed=True, seconds=1.5)
            else:
                recommender.tell(query, value, seconds=1.0 + place)
        again = Recommender.resume(copied(path), table, surrogate=Quick())
        assert again.told == recommender.told
        assert again.pending == recommender.pending
        assert again.spent == recommender.spent
        for name in ("done", "horizon", "eligible", "cost", "entry_cost"):
            assert torch.equal(getattr(again.state(), name), getattr(recommender.state(), name)), name
        assert again.recommend() == recommender.recommend()
        assert again.stopped_because == recommender.stopped_because
        handed_out = [again.ask() for _ in recommender.pending]  # what nobody told comes first
        assert tuple(handed_out) == recommender.pending
        assert again.ask() == recommender.ask()


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_arrival_changes_the_books_but_not_what_is_known(order: list[int]) -> None:
    recommender = make(make_table(), budget=Budget(epochs=20))
    queries = [recommender.ask() for _ in range(4)]
    for place in order:
        query = queries[place]
        assert query is not None
        recommender.tell(query, 0.4 + 0.1 * place)
    assert [t.query.number for t in recommender.told] == order
    straight = make(make_table(), budget=Budget(epochs=20))
    for place, query in enumerate([straight.ask() for _ in range(4)]):
        assert query is not None
        straight.tell(query, 0.4 + 0.1 * place)
    torch.testing.assert_close(recommender.belief.values().mean, straight.belief.values().mean, rtol=1e-9, atol=1e-9)
    assert recommender.recommend().config_id == straight.recommend().config_id
