"""A task that drowns the others, found by its gradients: python examples/dominating_task.py enb.arff

The cooling load is given in Wh/m² instead of kWh/m². With equal weights its gradient is all there is; learned noise
brings the tasks together again, since each likelihood owns the unit of its target.
"""

import torch
from tabular import Network, path_from_command_line, read

import equipoise as eq

inputs, targets = read(path_from_command_line())
targets["cooling"] = 1000 * targets["cooling"]
model = Network(inputs.shape[1])
losses = {name: (output - targets[name]).square().mean() for name, output in model(inputs).items()}
audit = eq.audit_gradients(losses, model.shared.parameters())
print(f"squared errors, equal weights: {audit.dominating()} dominates\n{audit}\n")

likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian() for name in targets})
likelihood.fit(targets)  # the units, from all training targets; otherwise from the first batches
joint = likelihood(model(inputs), targets)
audit = eq.audit_gradients(joint, model.shared.parameters())
print(f"likelihoods that own their units: {audit.dominating() or 'none'} dominates\n{audit}")
assert torch.isfinite(joint.loss)
