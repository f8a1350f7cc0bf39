"""Whole numbers, numbers and flags as users pass them: Python's own, and those of numpy."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, TypeGuard


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number; True and False are none.

    Example:
        >>> import numpy as np
        >>> is_whole(3), is_whole(np.int64(3)), is_whole(3.0), is_whole(True)
        (True, True, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and not _is_duration(value)


def is_real(value: Any) -> TypeGuard[float]:
    """Whether a value is a number, infinite and NaN ones included; True and False are none.

    Example:
        >>> import numpy as np
        >>> is_real(3), is_real(np.float32(3.5)), is_real("3"), is_real(np.bool_(True))
        (True, True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool) and not _is_duration(value)


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that is finite as a float.

    Example:
        >>> is_finite(3), is_finite(10**400), is_finite(float("nan"))
        (True, False, False)
    """
    try:
        return is_real(value) and math.isfinite(value)
    except OverflowError:
        return False


def plain_flag(value: Any) -> Any:
    """Return numpy's True and False as Python's, and anything else as it is.

    Example:
        >>> import numpy as np
        >>> plain_flag(np.bool_(False)), plain_flag("yes")
        (False, 'yes')
    """
    return bool(value) if type(value).__name__ in ("bool", "bool_") and hasattr(value, "item") else value


def _is_duration(value: Any) -> bool:
    """Whether a value is one of numpy's time spans, which pass for whole numbers there."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "m"
