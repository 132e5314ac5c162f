"""The table of all outputs. To add one, write a file with an ``Output`` subclass and add a line here."""

from collections.abc import Sequence

from equipoise.errors import UsageError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.outputs.cityscapes import Cityscapes
from equipoise.scenes.outputs.instances import CocoInstances
from equipoise.scenes.outputs.output import Contents, Output
from equipoise.scenes.outputs.panoptic import Panoptic
from equipoise.scenes.outputs.pictures import Disparity, Interval, LabelPictures, Overlays
from equipoise.scenes.outputs.points import PointCloud

OUTPUTS: dict[str, Output] = {
    output.name: output
    for output in (
        Overlays(),
        LabelPictures(),
        Disparity(),
        Panoptic(),
        CocoInstances(),
        Cityscapes(),
        PointCloud(),
        Interval(),
    )
}
"""Outputs by name, in the order in which they are written."""
DEFAULT = (Overlays.name, LabelPictures.name, Disparity.name)
ALL = "all"


def chosen(names: Sequence[str] | None, contents: Contents) -> tuple[list[Output], dict[str, str]]:
    """Return the outputs that are asked for, and of ``all`` and the default those that cannot be written, with reasons.

    Args:
        names: some of ``OUTPUTS``, or ``all``; ``None``: the default.
        contents: what the scenes hold.

    Raises:
        UsageError: an unknown name, no name, or a named output that cannot be written.
    """
    wanted = DEFAULT if names is None else tuple(dict.fromkeys(names))
    if isinstance(names, str) or not wanted:
        raise UsageError(f"write: expected a list of names among {', '.join(OUTPUTS)} or {ALL}, found {names!r}")
    for name in wanted:
        if name not in OUTPUTS and name != ALL:
            raise UsageError(f"write: found {name!r}{suggestion(name, [*OUTPUTS, ALL])}")
    selected = [output for name, output in OUTPUTS.items() if name in wanted or ALL in wanted]
    faults: dict[str, str] = {}
    for output in selected:
        try:
            fault = output.lacking(contents)
        except UsageError as error:
            if output.name in wanted:
                raise
            fault = str(error).removeprefix(f"{output.name}: ")
        if fault and names is not None and output.name in wanted:
            raise UsageError(f"write: {output.name}: {fault}")
        if fault:
            faults[output.name] = fault
    return [output for output in selected if output.name not in faults], faults
