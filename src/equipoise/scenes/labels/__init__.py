"""The kinds of label, in one explicit table: a new one is one new file and one line here."""

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
"""By name, in the order in which they are read, since later ones may depend on earlier ones."""

__all__ = ["LABELS", "Label"]
