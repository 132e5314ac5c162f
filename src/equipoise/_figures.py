"""Tensors as figures for people: read back only when something is printed."""

from collections.abc import Sequence

from torch import Tensor

from equipoise._execution import is_traced

SHOWN = 4
"""Vectors longer than this are shortened."""


def figure(value: Tensor | None) -> str:
    """A few digits of a scalar or a vector.

    >>> import torch
    >>> figure(torch.tensor(0.123456)), figure(torch.tensor([1.0, 2.0])), figure(None)
    ('0.1235', '[1, 2]', '–')
    >>> figure(torch.zeros(3, device="meta"))
    'meta(3)'
    """
    if value is None:
        return "–"
    if is_traced() or value.is_meta:
        shape = "×".join(map(str, value.shape))
        return f"{'meta' if value.is_meta else 'traced'}({shape})"
    numbers = value.detach().reshape(-1).tolist()
    if value.dim() == 0:
        return f"{numbers[0]:.4g}" if value.is_floating_point() else str(numbers[0])
    shown = [f"{number:.4g}" for number in numbers[:SHOWN]]
    return f"[{', '.join(shown)}{', …' if len(numbers) > SHOWN else ''}]"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())
    return "\n".join(lines)
