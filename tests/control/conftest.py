"""Instances that train in milliseconds."""

import pytest

from at2.control import SGDInstance


@pytest.fixture
def tiny() -> SGDInstance:
    """Two epochs of three mini-batches each."""
    return SGDInstance(
        "small-plain", "digits-few", optimizer_params={"lr": 0.01}, batch_size=32, fraction=0.25, cutoff=2
    )
