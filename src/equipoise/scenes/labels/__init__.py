"""The table of all kinds of label. To add one, write a file with a ``Label`` subclass and add a line here."""

from equipoise.scenes.labels.instance import InstanceLabel
from equipoise.scenes.labels.inverse_depth import InverseDepthLabel
from equipoise.scenes.labels.label import Label
from equipoise.scenes.labels.normals import NormalsLabel
from equipoise.scenes.labels.semantic import SemanticLabel

LABELS: dict[str, Label] = {
    SemanticLabel.name: SemanticLabel(),
    InstanceLabel.name: InstanceLabel(),
    InverseDepthLabel.name: InverseDepthLabel(),
    NormalsLabel.name: NormalsLabel(),
}
"""Labels by name, in the order in which they are read: later ones may depend on earlier ones."""

__all__ = ["LABELS", "Label"]
