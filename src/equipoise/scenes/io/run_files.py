"""The names of the files in the folders of runs and exports, each spelled here alone."""

RECIPE = "recipe.json"
RECORD = "run.json"
LOG_JSONL, LOG_CSV = "log.jsonl", "log.csv"
VALIDATION_JSONL, VALIDATION_CSV = "validation.jsonl", "validation.csv"
CHECKPOINTS = "checkpoints"
BEST = "best"
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
METRICS = "metrics"
"""``metrics.json``, and ``metrics-….json`` where other data were evaluated."""
PICTURES = "pictures"
EXAMPLES = "examples.json"
"""Lists the pictures; lies beside them."""
REPORT = "report.html"

EXPORT = "export.json"
"""Makes a folder an export; the three below lie in exports alone."""
ONNX, TORCH_EXPORT = "model.onnx", "model.pt2"
CARD = "README.md"

WRITTEN = (
    *(RECIPE, RECORD, LOG_JSONL, LOG_CSV, VALIDATION_JSONL, VALIDATION_CSV, CHECKPOINTS, BEST, WEIGHTS, DESCRIPTION),
    *(f"{METRICS}.json", f"{METRICS}-*.json", PICTURES, REPORT),
)
"""Patterns of all that a run writes into its folder."""
