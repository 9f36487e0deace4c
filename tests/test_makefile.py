"""Setting up says what is going on, whether pip or uv does it, and fails if it fails."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"
PIP = """#!/bin/sh
echo "Installing build dependencies: started"
echo "Collecting numpy>=1.26 (from custdyn-widgets==0.1.0)"
echo "  Using cached numpy.whl"
echo "Installing collected packages: numpy"
exit {code}
"""
UV = """#!/bin/sh
echo "uv $*"
exit {code}
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def set_up(folder: Path, *, pip: int = 0, uv: int | None = None) -> tuple[int, str, bool]:
    """Return the exit code of `make`, what it said, and whether the environment counts as ready."""
    make, shell = shutil.which("make"), shutil.which("sh")
    assert make
    assert shell
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    program(folder / ".venv" / "bin" / "python", PIP.format(code=pip))
    programs = folder / "programs"
    programs.mkdir()
    for name in ("sh", "cat", "touch", "id"):
        (programs / name).symlink_to(str(shutil.which(name)))
    if uv is not None:
        program(programs / "uv", UV.format(code=uv))
    done = subprocess.run(
        [make, "-f", MAKEFILE, f"SHELL={shell}", ".venv/.ready"],
        cwd=folder,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, (folder / ".venv" / ".ready").exists()


def test_pip_says_each_package(tmp_path: Path) -> None:
    code, said, ready = set_up(tmp_path)
    assert (code, ready) == (0, True)
    lines = said.splitlines()
    assert lines[0].startswith("Installing about 110 packages")
    assert lines[1:] == ["  numpy>=1.26", "  Unpacking the packages …"]


def test_a_failure_of_pip_is_one_of_make(tmp_path: Path) -> None:
    code, _, ready = set_up(tmp_path, pip=3)
    assert (code, ready) == (2, False)


@pytest.mark.parametrize(("uv", "by_pip"), [(0, False), (2, True)])
def test_uv_is_used_if_it_is_there_and_pip_if_uv_fails(tmp_path: Path, uv: int, by_pip: bool) -> None:
    code, said, ready = set_up(tmp_path, uv=uv)
    assert (code, ready) == (0, True)
    assert "uv pip install --compile-bytecode --python .venv/bin/python --constraint constraints.txt" in said
    assert ("numpy" in said) == by_pip


@pytest.mark.parametrize(
    ("works", "newest"),
    [
        (["bin/python3.12", "bin/python3.13"], "bin/python3.13"),
        (["bin/python3.12", "pyenv/versions/3.13.0/bin/python"], "pyenv/versions/3.13.0/bin/python"),
        (["pyenv/versions/3.14.2/bin/python", "bin/python3.13"], "pyenv/versions/3.14.2/bin/python"),
        (["bin/python3.11"], ""),
    ],
)
def test_the_newest_python_that_works_is_tested(tmp_path: Path, works: list[str], newest: str) -> None:
    """A shim of pyenv whose version is not selected is in the PATH, and fails."""
    make, shell = shutil.which("make"), shutil.which("sh")
    assert make
    assert shell
    program(tmp_path / "bin/python3.14", "#!/bin/sh\nexit 127\n")
    for name in works:
        program(tmp_path / name, "#!/bin/sh\n")
    done = subprocess.run(
        [make, "-f", MAKEFILE, f"SHELL={shell}", "--eval=show: ; @echo $(NEWEST)", "show"],
        env={"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path / "pyenv"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == (str(tmp_path / newest) if newest else "")
    assert ("make newest NEWEST=/path/to/python" in done.stderr) == (not newest)


def test_the_modules_that_make_quick_leaves_out_exist() -> None:
    names = MAKEFILE.with_name("tests").joinpath("long_modules.txt").read_text(encoding="utf-8").splitlines()
    assert names == sorted(set(names))
    assert [name for name in names if not (MAKEFILE.parent / name).is_file()] == []
