"""The log-variances s = log σ² of one or several likelihoods, stored in one vector."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equipoise._execution import is_readable
from equipoise.functional import linear_nll, linear_optimum, prior_nll
from equipoise.likelihoods._settings import DEFAULT_MOMENTUM
from equipoise.likelihoods._sharding import as_stored, full, is_sharded, local
from equipoise.likelihoods._spec import Constants, NoiseSpec


class LogVariances(nn.Module):
    """One vector of log-variances: a parameter, or in closed form a buffer.

    Buffers are floating point, so that averages of models (EMA, SWA) can average them. Nothing is saved here: each
    likelihood saves its part under its own name (see ``Noise``).

    Attributes:
        started: 1 where data with information have been seen; 2 where the latest batch was the first such.
        low: the present lower bounds, floors included.
        running: closed form only: the weight and the weighted sum of the running mean of the raw loss.
    """

    log_variance: Tensor
    started: Tensor
    low: Tensor
    running: Tensor
    constants: Tensor

    def __init__(self, specs: Sequence[NoiseSpec]) -> None:
        super().__init__()
        self.specs = tuple(specs)
        self.names: Sequence[str] = ["likelihood"] * len(self.specs)
        settings = self.specs[0].settings
        self.has_prior = any(spec.settings.prior is not None for spec in self.specs)
        self.by_gradient = settings.update == "gradient"
        self.momentum = DEFAULT_MOMENTUM if settings.momentum is None else settings.momentum
        size = sum(spec.size for spec in self.specs)
        if self.by_gradient:
            self.log_variance = nn.Parameter(torch.empty(size))
        else:
            self.register_buffer("log_variance", torch.empty(size))
            self.register_buffer("running", torch.empty(2, size))
        self.register_buffer("started", torch.empty(size))
        self.register_buffer("low", torch.empty(size))
        self.register_buffer("constants", torch.empty(len(Constants._fields), size), persistent=False)
        self._rows: tuple[Tensor, Constants] | None = None
        self._limits: tuple[int, int, list[float], list[float]] | None = None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset to the initial state, as is needed after ``to_empty``."""
        self._fill_constants()
        inits = [0.0 if s.settings.init == "first_batch" else float(s.settings.init) for s in self.specs]
        start = [value for value, spec in zip(inits, self.specs, strict=True) for _ in range(spec.size)]
        device = self.constants.device
        local(self.log_variance.detach()).copy_(as_stored(torch.tensor(start, device=device), self.log_variance))
        self.low.copy_(self.rows().low)
        for buffer in (self.started, *([] if self.by_gradient else [self.running])):
            buffer.zero_()
        self.pending = True
        """Whether some entry may not have started yet; cleared between steps, outside any graph."""

    @torch.no_grad()
    def _fill_constants(self) -> None:
        columns = [column for spec in self.specs for column in [spec.constants()] * spec.size]
        self.constants.copy_(torch.tensor(columns, dtype=self.constants.dtype, device=self.constants.device).T)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "LogVariances":
        """Compute the constants again after a change of dtype: log ½ of float32 is off by 10⁻⁹ in float64."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._fill_constants()
        return self

    def _save_to_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Each likelihood saves its part."""

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Each likelihood loads its part."""

    def values(self) -> Tensor:
        """The whole vector, with its graph."""
        return full(self.log_variance)

    @torch.no_grad()
    def write(self, span: slice, value: Tensor) -> None:
        """Set entries, however they are stored."""
        if not is_sharded(self.log_variance):
            self.log_variance[span].copy_(value)
            return
        whole = self.values().clone()
        whole[span] = value.to(whole.dtype)
        local(self.log_variance).copy_(as_stored(whole, self.log_variance))

    def rows(self) -> Constants:
        """The constants by name."""
        if not is_readable(self.constants):
            return Constants(*self.constants.unbind())
        if self._rows is None or self._rows[0] is not self.constants:
            self._rows = (self.constants, Constants(*self.constants.unbind()))
        return self._rows[1]

    def limits(self) -> tuple[list[float], list[float]]:
        """The lower and upper bounds as Python numbers, read again only when they have changed."""
        key = (id(self.low), self.low._version)
        if self._limits is None or self._limits[:2] != key:
            self._limits = (*key, self.low.tolist(), self.rows().high.tolist())
        return self._limits[2:]

    def linear_nll(self, loss: Tensor, s: Tensor) -> Tensor:
        """a·e^(−r·s)·L + p·s of every entry, priors included."""
        rows = self.rows()
        nll = linear_nll(loss, s, rows.log_coefficient, rows.negative_rate, rows.penalty)
        return nll + prior_nll(s, rows.sigma0, rows.strength) if self.has_prior else nll

    def linear_optimum(self, loss: Tensor) -> Tensor:
        """The s that minimises ``linear_nll``, of every entry."""
        rows = self.rows()
        rate = -rows.negative_rate
        return linear_optimum(loss, rows.log_coefficient.exp(), rate, rows.penalty, rows.sigma0, rows.strength)

    def of_entry(self, i: int) -> tuple[NoiseSpec, str]:
        """The likelihood that entry ``i`` belongs to, and its name."""
        for spec, name in zip(self.specs, self.names, strict=True):
            if i < spec.size:
                return spec, name
            i -= spec.size
        raise IndexError(i)
