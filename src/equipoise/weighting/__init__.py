"""Methods of weighing behind one interface, so that a training loop can change its method by one argument.

``weighting.backward(joint, shared_parameters)`` leaves gradients in ``.grad``, as ``joint.loss.backward()`` does.
``torch.compile`` cannot trace it, nor any other backward pass. The methods that are not TorchJD's also have
``loss(joint)``, which can be compiled together with network and likelihood (``fullgraph=True``): call
``loss(joint).backward()`` outside of the compiled function.

``Scalarized`` and ``Aggregated`` adapt the methods of TorchJD, which they need (``pip install
'equipoise[baselines]'``).

All methods but ``Learned``, ``Damped`` and ``RateMatched`` set the weights themselves. They work on
``standardized_loss``, the raw loss in the network's own numbers, which does not depend on the target's unit where the
likelihood owns it. σ learns from its own likelihood beside them (``JointLoss.noise_loss``), so that distributions and
intervals are as with learned weights; it has no part in the network's gradient.
"""

from equipoise.weighting._aggregated import Aggregated
from equipoise.weighting._damped import DAMPING, Damped
from equipoise.weighting._rates import Grown, RateMatched
from equipoise.weighting._scalarized import Scalarized
from equipoise.weighting._weights import Equal, Fixed, Learned, Weighting

__all__ = [
    "DAMPING",
    "Aggregated",
    "Damped",
    "Equal",
    "Fixed",
    "Grown",
    "Learned",
    "RateMatched",
    "Scalarized",
    "Weighting",
]
