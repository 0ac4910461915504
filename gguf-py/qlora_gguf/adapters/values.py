"""What every array of an adapter must be."""
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import GgufError

F32 = npt.NDArray[np.float32]


def check_array(name: str, values: object, n_dims: int) -> None:
    """raises  TypeError"""
    if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.ndim != n_dims:
        raise TypeError(f"'{name}' must be an array of float32 with {n_dims} dimension{'s' * (n_dims > 1)}")


def check_values(name: str, values: F32) -> None:
    """raises  GgufError: NaN or an infinity"""
    if not np.isfinite(values).all():
        at = int(np.isfinite(values).reshape(-1).argmin())
        raise GgufError(f"'{name}' holds {values.reshape(-1)[at]:g} at element {at}")
