"""Likelihoods that may own their target's unit: what regressions of one or several outputs share."""

from abc import abstractmethod

import torch
from torch import Tensor

from equipoise.functional import at_least_single
from equipoise.likelihoods._masks import valid_elements
from equipoise.likelihoods._target_statistics import difference
from equipoise.likelihoods._unit import Unit
from equipoise.likelihoods.likelihood import Likelihood


class Standardized(Likelihood):
    """A likelihood that may own its target's unit: target = offset + scale · (the network's dimensionless number).

    Attributes:
        unit: the offset and scale; ``None``: outputs are in the target's unit.
    """

    unit: Unit | None

    @abstractmethod
    def _unit_columns(self, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Targets and their validity as ``(units, elements)``."""

    @property
    def _waits(self) -> bool:
        return super()._waits or not self.has_settled_unit

    @property
    def has_settled_unit(self) -> bool:
        """Whether the unit no longer follows the batches, or there is none; on a GPU read back until it is so."""
        return self.unit is None or self.unit.finds_settled()

    def _batch_passed(self, rows: Tensor | None = None) -> None:
        if self.unit is None:
            return
        if rows is not None:
            self.unit.look(rows if rows.dim() == 3 else rows[None])
        self.unit.advance()

    def _take_unit(self, target: Tensor, valid: Tensor, where: str) -> Tensor | None:
        """Gather the unit while it is provisional; later return statistics of the targets of some batches."""
        if self.unit is None:
            return None
        columns = self._unit_columns(target, valid)
        return self.unit.meet(*columns, moving=self._is_moving, training=self.training, where=where)

    def _dimensionless(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        """(y − offset)/scale, with the difference taken in the target's own dtype."""
        if self.unit is None:
            return target.to(dtype)
        offset, scale = (self.broadcastable(v.reshape(self.unit.shape), target.dim()) for v in self.unit.both())
        return difference(target, offset, dtype).div_(scale).to(dtype)

    def fit(self, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take the unit from these targets, of all ranks together, and keep it; every rank must call it.

        Args:
            targets: in the shape that ``forward`` takes; NaN is no label.
            mask: boolean, broadcastable to the targets, True = valid.

        Raises:
            ValueError: the likelihood owns no unit (``standardize=False``).
        """
        name = type(self).__name__
        if self.unit is None:
            raise ValueError(f"{name}.fit: expected standardize=True, found a likelihood without a unit")
        self.unit.fit(*self._unit_columns(targets, valid_elements(targets, mask, name)), name)

    def location(self, output: Tensor) -> Tensor:
        """The predicted value in the target's unit."""
        if self.unit is None:
            return output
        dim = output.dim()
        return output * self.broadcastable(self.unit.scale, dim) + self.broadcastable(self.unit.offset, dim)

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """The predicted value in the target's unit; warns while the unit is unknown."""
        self._warn_if_unit_unknown("predict")
        return self.location(at_least_single(output))

    def _warn_if_unit_unknown(self, method: str) -> None:
        if self.unit is not None:
            self.unit.warn_if_unknown(f"{type(self).__name__}.{method}")

    def _to_target_unit(self, value: Tensor, power: int) -> Tensor:
        return value if self.unit is None else value * self.unit.scale**power
