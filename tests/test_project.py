"""The files at the root agree with each other: versions, lower bounds, workflow."""

import re
import tomllib
from pathlib import Path

import yaml
from pre_commit.clientlib import load_config

import equipoise as eq

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PIN = re.compile(r"^([\w-]+)==([\w.]+)$", re.M)
BOUND = re.compile(r"^([\w-]+)(?:\[[\w,-]+\])?>=([\w.]+)$")


def pins(name: str) -> dict[str, str]:
    return {normal(name): version for name, version in PIN.findall((ROOT / name).read_text())}


def lower_bounds(*extras: str) -> dict[str, str]:
    required = PROJECT["dependencies"] + [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    return {normal(match[1]): match[2] for match in map(BOUND.match, required) if match}


def normal(name: str) -> str:
    """Package names as pip compares them."""
    return name.lower().replace("_", "-")


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


def test_one_version_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["dynamic"] == ["version"]
    assert cited["version"] == eq.__version__
    assert f"\n## [{eq.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_workflow_runs_known_targets_on_every_supported_python():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    commands = {step["run"] for job in jobs.values() for step in job["steps"] if step.get("run", "").startswith("make")}
    assert commands == {"make lint", "make test", "make test-lowest", "make test-slow", "make docs"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {command.removeprefix("make ") for command in commands} <= targets
    classifiers = {line.removeprefix("Programming Language :: Python :: ") for line in PROJECT["classifiers"]}
    assert set(jobs["tests"]["strategy"]["matrix"]["python"]) == {name for name in classifiers if "." in name}


def test_ci_and_the_workflow_run_the_same_checks():
    hosted = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    local = re.findall(r"^make ([a-z-]+)$", (ROOT / ".ci/run").read_text(), re.M)
    assert local == ["lint", "test", "test-slow", "test-lowest", "docs"]
    assert {job.replace("tests", "test") for job in hosted} == set(local)


def test_the_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony is not None
    assert set(re.findall(r'echo "make ([a-z-]+)', makefile)) == set(phony[1].split()) - {"help"}


def test_pre_commit_runs_the_linters():
    config = load_config(ROOT / ".pre-commit-config.yaml")  # Raises where the file is not valid.
    assert [hook["id"] for hook in config["repos"][0]["hooks"]] == ["ruff-check", "ruff-format", "mypy"]
