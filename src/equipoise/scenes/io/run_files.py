"""The names of the files in the folders of runs and exports. ``runs/run_folder.py`` reads and writes a run's."""

RECIPE = "recipe.json"
RECORD = "run.json"
LOG_JSONL, LOG_CSV = "log.jsonl", "log.csv"
VALIDATION_JSONL, VALIDATION_CSV = "validation.jsonl", "validation.csv"
CHECKPOINTS = "checkpoints"
BEST = "best"
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
METRICS = "metrics"
"""The start of ``metrics.json``, and of ``metrics-….json`` for other evaluated data."""
PICTURES = "pictures"
EXAMPLES = "examples.json"
"""Lists the pictures, in the same folder."""
REPORT = "report.html"

EXPORT = "export.json"
"""Makes a folder an export; the three below lie in exports alone."""
ONNX, TORCH_EXPORT = "model.onnx", "model.pt2"
CARD = "README.md"

WRITTEN = (
    *(RECIPE, RECORD, LOG_JSONL, LOG_CSV, VALIDATION_JSONL, VALIDATION_CSV, CHECKPOINTS, BEST, WEIGHTS, DESCRIPTION),
    *(f"{METRICS}.json", f"{METRICS}-*.json", PICTURES, REPORT),
)
"""Patterns of everything that a run writes to its folder."""
