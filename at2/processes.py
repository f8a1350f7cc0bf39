"""Work spread over processes that start afresh, use one thread each, and may die without taking the rest along.

This module imports nothing heavy: a new process limits its threads before numpy and torch are loaded.
"""

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_all(
    work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int, lost: Callable[[Item], Result]
) -> Iterator[Result]:
    """Do all work in processes and give the results as they come.

    A process that dies (killed for memory, a crash in compiled code) breaks its pool. The items that were under way are
    then done again, each alone in a process of its own: the one that kills that as well is given up.

    Args:
        work: Function of one item, importable by name in a new process. What it raises is raised here.
        items: The work.
        jobs: How many processes at a time, at least 1.
        lost: Gives the result that stands for an item whose process died.

    Yields:
        One result for each item, in the order of completion.

    Raises:
        ValueError: If ``jobs`` is below 1.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, {jobs} given")
    waiting, suspects = deque(items), deque[Item]()
    while waiting or suspects:
        if suspects:
            alone = deque([suspects.popleft()])
            died = yield from _drain(work, alone, jobs=1)
            for item in died:
                yield lost(item)
        else:
            suspects.extend((yield from _drain(work, waiting, jobs=jobs)))


def _drain(work: Callable[[Item], Result], waiting: deque[Item], *, jobs: int) -> Generator[Result, None, list[Item]]:
    """Do the waiting work in one pool; returns the items under way when a process died, none if all went well."""
    under_way: dict[Future[Result], Item] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=spawn, initializer=_begin_process) as pool:
        try:
            while waiting or under_way:
                while waiting and len(under_way) < jobs:
                    under_way[pool.submit(work, waiting[0])] = waiting[0]
                    waiting.popleft()
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    del under_way[future]
                    yield result
        except BrokenProcessPool:
            return list(under_way.values())
    return []


def _begin_process() -> None:
    """Limit this new process to one thread, before any numerical library is loaded, and to the life of its parent.

    A script that imports torch at its top has loaded it by now; processes whose threads take turns on the same cores
    are many times slower.
    """
    for name in _THREAD_SETTINGS:
        os.environ[name] = "1"
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    """End this process when its parent has ended: a killed parent can no longer tell it to."""
    parent.join()
    os._exit(1)
