"""Modules by task name: the names stand in the keys of their state, so that it follows the name, not the order."""

from collections.abc import Iterator, Mapping

from torch import nn

RESERVED = frozenset(dir(nn.Module()))


class NamedModules(nn.Module):
    """A mapping from any names to modules.

    PyTorch allows no dots in the names of modules, no empty ones and none of its own attributes (``forward``): there
    the key holds percent signs, as in a web address.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(modules)
        for name, module in modules.items():
            self.add_module(as_key(name), module)

    def __getitem__(self, name: str) -> nn.Module:
        """The module of a name."""
        if name not in self.names:
            raise KeyError(f"task {name!r}: expected one of {', '.join(map(repr, self.names))}")
        return self._modules[as_key(name)]  # type: ignore[return-value]

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self[name] for name in self.names)


def as_key(name: str) -> str:
    """The name of a module's attribute for a task's name.

    >>> as_key("depth"), as_key("a.b"), as_key("forward"), as_key("")
    ('depth', 'a%2Eb', '%66orward', '%')
    """
    if not name:
        return "%"
    quoted = name.replace("%", "%25").replace(".", "%2E")
    return f"%{ord(quoted[0]):02X}{quoted[1:]}" if quoted in RESERVED else quoted
