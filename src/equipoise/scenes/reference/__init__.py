"""The reference page: every key of recipes and of data descriptions, made from their dataclasses."""
