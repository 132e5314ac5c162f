"""The files at the root agree with each other: versions, lower bounds, workflow."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PIN = re.compile(r"^([\w-]+)==([\w.]+)$", re.M)
BOUND = re.compile(r"^([\w-]+)(?:\[[\w,-]+\])?>=([\w.]+)$")


def pins(name: str) -> dict[str, str]:
    return {name.lower(): version for name, version in PIN.findall((ROOT / name).read_text())}


def lower_bounds(*extras: str) -> dict[str, str]:
    required = PROJECT["dependencies"] + [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    return {match[1].lower(): match[2] for match in map(BOUND.match, required) if match}


def release(version: str) -> tuple[int, ...]:
    """2.13 and 2.13.0 are one release."""
    numbers = [int(number) for number in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def test_the_lowest_run_uses_the_declared_lower_bounds():
    lowest, bounds = pins("constraints-lowest.txt"), lower_bounds("scenes", "dev")
    needed = lower_bounds("scenes").keys() | {"pytest", "pytest-xdist", "hypothesis"}
    assert {name: release(lowest[name]) for name in needed} == {name: release(bounds[name]) for name in needed}


def test_development_uses_no_version_below_the_declared_ones():
    pinned = pins("constraints.txt")
    bounds = lower_bounds("scenes", "baselines", "dev", "docs", "integrations")
    assert bounds.keys() <= pinned.keys()
    assert [name for name, version in bounds.items() if release(pinned[name]) < release(version)] == []
