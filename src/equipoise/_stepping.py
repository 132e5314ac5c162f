"""Hooks around ``optimizer.step()``, where log-variances are guarded.

PyTorch calls them for every optimizer of the process, so a training loop needs no extra line.
"""

import gc
import itertools
from abc import ABC, abstractmethod
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch import Tensor
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)


class Followed(ABC):
    """An object with work to do before and after an optimizer's step."""

    @abstractmethod
    def before_step(self, optimizer: Optimizer) -> None:
        """Called before ``optimizer`` changes its parameters."""

    @abstractmethod
    def after_step(self, optimizer: Optimizer) -> None:
        """Called after ``optimizer`` has changed its parameters."""


# In order of creation, which is the same on every rank, because their work may be collective.
_followed: WeakValueDictionary[int, Followed] = WeakValueDictionary()
_numbers = itertools.count()
_held: WeakKeyDictionary[Optimizer, tuple[int, frozenset[int]]] = WeakKeyDictionary()
_hooks: list[Any] = []


def follow(what: Followed) -> None:
    """Call the hooks of ``what`` around every optimizer's step while it is alive."""
    _followed[next(_numbers)] = what
    if not _hooks:
        _hooks.append(register_optimizer_step_pre_hook(_before))
        _hooks.append(register_optimizer_step_post_hook(_after))


def holds(optimizer: Optimizer, parameter: Tensor) -> bool:
    """Whether an optimizer holds a parameter."""
    size = sum(len(group["params"]) for group in optimizer.param_groups)
    known = _held.get(optimizer)
    if known is None or known[0] != size:
        members = frozenset(id(p) for group in optimizer.param_groups for p in group["params"])
        known = _held[optimizer] = (size, members)
    return id(parameter) in known[1]


def is_in_any_optimizer(parameter: Tensor) -> bool:
    """Whether any optimizer in memory holds a parameter. Slow: it walks all objects."""
    found = [o for o in gc.get_objects() if issubclass(type(o), Optimizer)]
    return any(parameter is p for o in found for group in o.param_groups for p in group["params"])


def _before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    if torch.compiler.is_compiling():
        return
    for one in list(_followed.values()):
        one.before_step(optimizer)


def _after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    if torch.compiler.is_compiling():
        return
    for one in list(_followed.values()):
        one.after_step(optimizer)
