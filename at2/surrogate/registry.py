"""The surrogates that have a name, for journals and the command line."""

from __future__ import annotations

from collections.abc import Callable

from at2.errors import UnknownNameError
from at2.surrogate.at2_2021 import AutoTuning2021
from at2.surrogate.belief import Surrogate
from at2.surrogate.kronecker.surrogate import KroneckerGP
from at2.surrogate.transfer import WeightedSources

_MAKERS: dict[str, Callable[[], Surrogate]] = {
    "default": WeightedSources,
    "kronecker": KroneckerGP,
    "at2-2021": AutoTuning2021,
}


def surrogate_names() -> tuple[str, ...]:
    """Return the names that `make_surrogate` knows.

    Example:
        >>> "default" in surrogate_names()
        True
    """
    return tuple(_MAKERS)


def make_surrogate(name: str) -> Surrogate:
    """Return the surrogate of that name with its published settings.

    Args:
        name: One of `surrogate_names`.

    Returns:
        An object with a `fit` method.

    Raises:
        UnknownNameError: If nobody knows the name.

    Example:
        >>> make_surrogate("kronecker")
        KroneckerGP(max_iter=40)
    """
    if name not in _MAKERS:
        raise UnknownNameError(f"no surrogate is named {name!r}; there are {', '.join(_MAKERS)}")
    return _MAKERS[name]()
