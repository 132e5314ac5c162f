"""Equipoise in a plain training loop: python examples/plain_pytorch.py enb.arff"""

import torch
from tabular import Network, path_from_command_line, read

import equipoise as eq

inputs, targets = read(path_from_command_line())
model = Network(inputs.shape[1])
likelihood = eq.MultiTaskLikelihood({"heating": eq.Gaussian(), "cooling": eq.Laplace()})
optimizer = torch.optim.Adam(eq.param_groups(model, likelihood, lr=1e-2))
weighting = eq.weighting.Damped()
for step in range(401):
    optimizer.zero_grad()
    joint = likelihood(model(inputs), targets)
    if step % 100 == 0:
        figures = ", ".join(f"{name}: loss {t.loss:.3g}, σ {t.sigma:.3g}" for name, t in joint.tasks.items())
        print(f"step {step}: joint loss {joint.loss:.3f}; {figures}")
        print(eq.audit_gradients(joint, model.shared.parameters()))
    weighting.backward(joint)
    optimizer.step()
likelihood.eval()
with torch.no_grad():
    outputs = model(inputs)
    predictions = likelihood.predict(outputs)  # in kWh/m², as the targets are; the network's outputs have no unit
    errors = {name: (predictions[name] - targets[name]).abs().mean().item() for name in targets}
print("mean absolute errors, kWh/m²:", {name: round(error, 2) for name, error in errors.items()})
print(eq.calibration_report(likelihood, outputs, targets))
