"""The wheel, installed outside any clone, is whole: it runs the demo and the default template."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from custdyn_widgets.snapshots import Store

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, *build, str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_the_template_and_the_page_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "custdyn_widgets/templates/customer_dynamics.ipynb" in names
    assert "custdyn_widgets/render/page.html.j2" in names
    assert "custdyn_widgets/mail/letter.html.j2" in names
    assert "custdyn_widgets/viewer/bar.css" in names
    assert "custdyn_widgets/render/notebook.html.j2" in names
    assert "custdyn_widgets/engine/__init__.pyi" in names  # a door is read from it
    assert "custdyn_widgets/py.typed" in names
    shipped = {Path(name).name for name in names if name.startswith("custdyn_widgets/mart/mapping/shipped/")}
    assert {"a2billing.mysql.sql", "astpp.mysql.sql", "magnusbilling.mysql.sql"} <= shipped
    assert {name.split("/")[0].split("-")[0] for name in names} == {"custdyn_widgets"}


def test_the_wheel_tells_nbconvert_of_the_exporter(wheel: Path) -> None:
    content = zipfile.ZipFile(wheel)
    [name] = [name for name in content.namelist() if name.endswith(".dist-info/entry_points.txt")]
    section = content.read(name).decode().partition("[nbconvert.exporters]\n")[2].partition("\n\n")[0]
    target = "custdyn_widgets.nbconvert_exporter:CustomerDynamicsExporter"
    names = {line.partition(" = ")[0] for line in section.splitlines() if line.partition(" = ")[2] == target}
    assert names == {"customer_dynamics"}


def test_the_wheel_says_who_made_it_under_which_license_and_where_it_runs(wheel: Path) -> None:
    content = zipfile.ZipFile(wheel)
    [name] = [name for name in content.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = content.read(name).decode()
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "\nLicense-File: LICENSE\n" in metadata
    assert "\nAuthor: " in metadata
    assert "\nClassifier: Operating System :: POSIX\n" in metadata
    assert "\nDescription-Content-Type: text/markdown\n" in metadata
    assert "## Your own data" in metadata
    links = re.findall(r"\]\(([^)]*)\)", metadata)  # of pictures too
    assert [link for link in links if not link.startswith("https://")] == []
    assert "<!--" not in metadata


def test_the_source_distribution_holds_what_its_tests_need(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    [root] = [folder for folder in tmp_path.iterdir() if folder.is_dir()]
    for name in ("LICENSE", "SECURITY.md", "Makefile", "constraints.txt", "templates", "notebooks", "docs"):
        assert (root / name).exists(), name
    tests = ["tests/engine/test_golden.py", "tests/test_first_version.py", "tests/test_documentation.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_wheel_runs_the_demo_and_the_default_template_outside_any_clone(
    wheel: Path, tmp_path: Path
) -> None:
    site, home, work = tmp_path / "site", tmp_path / "home", tmp_path / "work"
    for folder in (site, home, work):
        folder.mkdir()
    with zipfile.ZipFile(wheel) as content:
        content.extractall(site)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(site)}

    def custdyn(*arguments: str) -> str:
        command = [sys.executable, "-m", "custdyn_widgets", *arguments]
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [sys.executable, "-c", "import custdyn_widgets; print(custdyn_widgets.__file__)"]
    found = subprocess.run(where, cwd=work, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(site)
    links = custdyn("demo"), custdyn("run", "--source", "demo", "--interval", "last_month")
    assert all("/view?id=" in link for link in links)
    assert custdyn("snapshots", "verify").startswith("2 snapshots verified")
    assert list(work.iterdir()) == []
    assert (home / ".local" / "share" / "custdyn" / "snapshots").is_dir()


def test_the_wheel_switches_the_viewer_on_in_jupyter_server(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, symlinks=True)
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    subprocess.run([*pip, "install", "--no-deps", str(wheel)], check=True)
    done = subprocess.run(
        [python, "-m", "jupyter_server", "extension", "list"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.sub("\\x1b\\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "custdyn_widgets.viewer.extension enabled" in told
    assert "custdyn_widgets.viewer.extension  OK" in told


@contextlib.contextmanager
def viewer_of_a_clean_host(wheel: Path, place: Path, store: Path) -> Iterator[tuple[str, Path]]:
    """Run `custdyn serve` with the wheel and requirements-viewer.txt; yield its URL and packages."""
    venv.create(place / "venv", symlinks=True)
    python = place / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", str(wheel)], check=True)
    [packages] = (place / "venv" / "lib").glob("python*/site-packages")
    for line in (ROOT / "requirements-viewer.txt").read_text().splitlines():
        if not line.startswith("#"):
            for file in distribution(line).files or []:
                if ".." not in file.parts and file.suffix != ".pyc":
                    (packages / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file.locate(), packages / file)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(place), "CUSTDYN_SNAPSHOTS": str(store)}
    command = [str(place / "venv" / "bin" / "custdyn"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stderr is not None
            told = serving.stderr.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", told)
            assert address, told + serving.stderr.read()
            yield address[0], packages
        finally:
            serving.terminate()


def test_a_host_for_the_viewer_needs_three_packages_and_a_few_megabytes(wheel: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    snapshot_id = store.publish({}, {"report.html": b"<h1>A page</h1>", "report.csv": b"x"})
    with viewer_of_a_clean_host(wheel, tmp_path, store.folder) as (address, packages):
        for path in (f"view?id={snapshot_id}", f"view?id={snapshot_id}&format=csv", "healthz", "metrics"):
            with urllib.request.urlopen(f"{address}/{path}", timeout=10) as answer:
                assert answer.status == 200
    installed = {path.name.split("-")[0] for path in packages.glob("*.dist-info")} - {"pip", "setuptools"}
    assert installed == {"click", "custdyn_widgets", "lazy_loader", "tornado"}
    files = [path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 6_500_000
    done = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "custdyn"), "snapshots", "list"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CUSTDYN_SNAPSHOTS": str(store.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert snapshot_id in done.stdout
