"""An analyst's own modules: those in the setting `extensions` are imported once, before the first report.

Such a module registers metrics and chart presets when it is imported; everything that computes a report in
this process then has them. A module runs like any other code, at its author's own risk.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from custdyn_widgets.errors import SettingsError, shown

_loaded: set[str] = set()
_turn = threading.RLock()


def load_extensions(names: Iterable[str]) -> None:
    """Import the modules that are not imported yet, in order.

    Parameters
    ----------
    names
        Names of modules, and absolute paths of `.py` files; see `Settings.extensions`.

    Raises
    ------
    SettingsError
        If one cannot be imported; the next report tries again.
    """
    with _turn:
        for name in names:
            if name not in _loaded:
                _loaded.add(name)  # before it runs, so that it may itself ask for a report
                try:
                    _import(name)
                except (Exception, SystemExit) as error:
                    _loaded.discard(name)
                    raise _not_imported(name, error) from error


def _import(name: str) -> None:
    if not name.endswith(".py"):
        importlib.import_module(name)
        return
    path = Path(name)
    spec = importlib.util.spec_from_file_location(f"custdyn_extension:{path}", path)
    assert spec is not None  # the name ends with .py, so a loader is known
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise


def _not_imported(name: str, error: BaseException) -> SettingsError:
    """Describe the error, without messages of the module's own code, which may be private."""
    which = Path(name).name if name.endswith(".py") else name
    if isinstance(error, FileNotFoundError) and not Path(name).exists():
        why = f"there is no file {shown(name)}"
    elif isinstance(error, ImportError | SyntaxError):
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
    else:
        why = f"it failed with {type(error).__name__}; import it on its own to see where"
    return SettingsError(
        f"The extension {shown(which)} cannot be imported: {why}. Fix it, or remove it from extensions in "
        "custdyn.toml or CUSTDYN_EXTENSIONS.",
        field="extensions",
    )
