"""Docstrings of the public classes and functions: what goes in and out, errors, and an example that runs.

Pytest runs the examples (``--doctest-modules``).
"""

import dataclasses
import inspect
import re

import pytest

import equipoise as eq

PUBLIC = {name: getattr(eq, name) for name in eq.__all__ if name not in ("weighting", "__version__")}
PUBLIC |= {
    f"weighting.{name}": value
    for name, value in vars(eq.weighting).items()
    if inspect.isclass(value) and value.__module__.startswith(eq.weighting.__name__)
}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
TAKES_TENSORS = {
    name: value
    for name, value in CLASSES.items()
    if (issubclass(value, eq.Likelihood) and value is not eq.Likelihood)
    or value in (eq.MultiTaskLikelihood, eq.UncertaintyWeighting)
}
METHODS = {
    f"{name}.{member}": value
    for name, kind in CLASSES.items()
    for base in kind.__mro__
    if base.__module__.startswith("equipoise")
    for member, value in vars(base).items()
    if member[0] != "_" and (inspect.isfunction(value) or isinstance(value, property))
}
SHARED = {"self", "output", "target", "mask", "weights", "noise", "args", "kwargs", "optimizer"}
"""Arguments that the base classes document once."""


def section(doc: str, *titles: str) -> str:
    """The text of a section of a docstring; empty where there is none."""
    found = re.search(rf"^({'|'.join(titles)}):\n(( +.*)?\n)*", inspect.cleandoc(doc) + "\n", re.MULTILINE)
    return found.group(0) if found else ""


def arguments(thing: object) -> list[str]:
    if dataclasses.is_dataclass(thing):
        return [field.name for field in dataclasses.fields(thing) if field.name[0] != "_"]
    if inspect.isclass(thing):
        thing = thing.__init__
    return [] if thing is object.__init__ else list(inspect.signature(thing).parameters)


@pytest.mark.parametrize("name", PUBLIC)
def test_has_an_example(name):
    assert ">>> " in PUBLIC[name].__doc__


@pytest.mark.parametrize("name", PUBLIC)
def test_says_what_each_argument_is(name):
    if eq.NoiseOptions is PUBLIC[name]:
        return  # its docstring refers to NoiseSettings, which has the same fields
    if getattr(PUBLIC[name], "_is_protocol", False):
        return
    wanted = [argument for argument in arguments(PUBLIC[name]) if argument != "self"]
    said = section(PUBLIC[name].__doc__, "Args", "Attributes")
    assert [argument for argument in wanted if not re.search(rf"\b{argument}\b", said)] == []


@pytest.mark.parametrize("name", TAKES_TENSORS)
def test_says_the_shapes_of_tensors(name):
    assert section(TAKES_TENSORS[name].__doc__, "Shapes")


@pytest.mark.parametrize("name", PUBLIC)
def test_says_what_it_raises(name):
    thing = PUBLIC[name]
    source = inspect.getsource(thing)
    if inspect.isclass(thing):
        methods = [m for m in ("__init__", "__post_init__", "forward") if inspect.isfunction(vars(thing).get(m))]
        source = "".join(inspect.getsource(vars(thing)[m]) for m in methods if f"def {m}(" in source)
    if re.search(r"^ +raise ", source, re.MULTILINE):
        assert section(thing.__doc__, "Raises")


@pytest.mark.parametrize("name", METHODS)
def test_methods_say_what_their_arguments_are(name):
    method = METHODS[name]
    assert method.__doc__
    if isinstance(method, property) or re.search(r"[Ss]ee ``(forward|Weighting)``", method.__doc__):
        return
    own = [argument for argument in inspect.signature(method).parameters if argument not in SHARED]
    assert [argument for argument in own if not re.search(rf"\b{argument}\b", method.__doc__)] == []
