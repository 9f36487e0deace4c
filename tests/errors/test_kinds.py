"""Every error is made with a message in plain sentences."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from custdyn_widgets.errors import CustDynError, kinds, runs

_VALUES = {"str": "a1.", "object": "a1", "int": 2, "float": 2.5, "bool": True, "OSError": OSError(2, "No")}


def _makers() -> Iterator[tuple[type[CustDynError], str]]:
    for module in (kinds, runs):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if not issubclass(kind, CustDynError) or kind.__module__ != module.__name__:
                continue
            for name, member in vars(kind).items():
                if name == "__init__" or (isinstance(member, classmethod) and not name.startswith("_")):
                    yield kind, name


def _value(annotation: str) -> Any:
    if annotation == "CustDynError":
        return CustDynError("Something is wrong.")
    kind = annotation.removesuffix(" | None")
    if kind.startswith(("Sequence[", "Iterable[", "Collection[", "tuple[", "list[")):
        return ("a1", "b2")
    return _VALUES[kind]


@pytest.mark.parametrize(("kind", "name"), list(_makers()))
def test_the_error_says_something_in_sentences(kind: type[CustDynError], name: str) -> None:
    method: Callable[..., Any] = kind if name == "__init__" else getattr(kind, name)
    parameters = inspect.signature(method).parameters.values()
    given = {p.name: _value(p.annotation) for p in parameters if p.default is p.empty}
    given |= {"place": "mine"} if "place" in given else {}
    error = method(**given)
    assert isinstance(error, kind)
    assert error.message
    assert str(error) == error.message
    assert error.message.rstrip(")\"'”")[-1] in ".?!", error.message
