"""Modules by task name. State keys hold the names, so state follows the name, not the order."""

from collections.abc import Iterator, Mapping

from torch import nn

RESERVED = frozenset(dir(nn.Module()))


class NamedModules(nn.Module):
    """A mapping from any names to modules.

    PyTorch refuses module names that are empty, contain dots or are its own attributes (``forward``). These are
    percent-encoded, as in a URL.
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
    """The attribute name of a task's module.

    >>> as_key("depth"), as_key("a.b"), as_key("forward"), as_key("")
    ('depth', 'a%2Eb', '%66orward', '%')
    """
    if not name:
        return "%"
    quoted = name.replace("%", "%25").replace(".", "%2E")
    return f"%{ord(quoted[0]):02X}{quoted[1:]}" if quoted in RESERVED else quoted
