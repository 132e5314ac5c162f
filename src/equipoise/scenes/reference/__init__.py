"""Generate the reference page: every key of recipes and data descriptions, read from their dataclasses."""
