"""A vendor whose calls a test watches, changes or interrupts: what our side does wrong needs no fault at the vendor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """The worker died here: no `except Exception` sees it."""


@dataclass
class Wrapped:
    """Passes every call on; `after`, `before` and `instead` are called with the call's arguments."""

    vendor: Any
    before: dict[str, Callable[..., None]] = field(default_factory=dict)
    after: dict[str, Callable[..., None]] = field(default_factory=dict)
    instead: dict[str, Callable[..., Any]] = field(default_factory=dict)
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.vendor, name)
        if not callable(method) or name in {"capabilities", "parse"}:
            return self.instead.get(name, method)

        def call(*args: Any) -> Any:
            self.calls.append((name, args))
            if name in self.before:
                self.before[name](*args)
            answer = self.instead[name](*args) if name in self.instead else method(*args)
            answer = list(answer) if name == "fetch" else answer
            if name in self.after:
                self.after[name](*args)
            return answer

        return call

    def sent(self) -> list[str]:
        """Keys in the order in which they were submitted, repetitions too."""
        return [item.key for name, args in self.calls if name == "submit" for item in args[1]]


def raises(error: BaseException) -> Callable[..., Any]:
    """A call that ends with this error."""

    def call(*_: Any) -> Any:
        raise error

    return call
