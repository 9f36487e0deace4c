"""Extensions: an analyst's own modules, imported once before the first report.

The `extensions` setting lists them. When imported, they register metrics and chart presets, which every
later report in the process includes. They run with the same permissions as any other code.
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
_lock = threading.RLock()


def load_extensions(names: Iterable[str]) -> None:
    """Import the modules that have not been imported yet, in order.

    Parameters
    ----------
    names
        Module names and absolute paths of `.py` files; see `Settings.extensions`.

    Raises
    ------
    SettingsError
        If a module cannot be imported. The next report tries to import it again.
    """
    with _lock:
        for name in names:
            if name not in _loaded:
                _loaded.add(name)  # added first, because the module may itself run a report
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
    assert spec is not None  # files ending in .py always have a loader
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise


def _not_imported(name: str, error: BaseException) -> SettingsError:
    """Describe the error without the module's own messages, which may contain private data."""
    which = Path(name).name if name.endswith(".py") else name
    if isinstance(error, FileNotFoundError) and not Path(name).exists():
        why = f"there is no file {shown(name)}"
    elif isinstance(error, ImportError | SyntaxError):
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
    else:
        why = f"it raised {type(error).__name__}; import it on its own to see where"
    return SettingsError(
        f"The extension {shown(which)} cannot be imported: {why}. Fix it, or remove it from extensions in "
        "custdyn.toml or CUSTDYN_EXTENSIONS.",
        field="extensions",
    )
