"""Properties that are computed when they are first read, in eager mode and under ``torch.compile`` alike."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

Owner = TypeVar("Owner")
Value = TypeVar("Value")


def kept(compute: Callable[[Owner], Value]) -> Callable[[Owner], Value]:
    """Compute once for each object and keep the value in its ``__dict__``; for use below ``@property``.

    Unlike ``functools.cached_property`` it takes no lock, which ``torch.compile`` cannot trace (Python 3.11).
    """
    key = f"_kept_{compute.__name__}"

    @wraps(compute)
    def read(owner: Owner) -> Value:
        if key not in owner.__dict__:
            object.__setattr__(owner, key, compute(owner))  # Owners may be frozen.
        return cast(Value, owner.__dict__[key])

    return read
