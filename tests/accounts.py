"""Calls made by other accounts of the system, in a process that has become that account."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Sequence
from typing import Any


def as_account(user: int, groups: Sequence[int], call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the error that it raises, made by an account with these groups."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads; the child only calls
        child = os.fork()
    if child == 0:
        _answer(user, groups, call, write)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        data = answer.read()
    os.waitpid(child, 0)
    return pickle.loads(data)


def _answer(user: int, groups: Sequence[int], call: Callable[[], Any], write: int) -> None:
    try:
        os.setgroups(list(groups))
        os.setgid(groups[0])
        os.setuid(user)
        os.umask(0o077)
        found = call()
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    with os.fdopen(write, "wb") as answer:
        answer.write(pickle.dumps(found))
    os._exit(0)
