"""The ground that the rest stands on: style, types, layers, and a wheel that serves the page."""

import importlib
import os
import re
import shutil
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ppo_scope.server.linking import linked, text_of
from tests.live import ROOT, LiveServer

TSC = ROOT / ".tools" / "node_modules" / ".bin" / "tsc"
PRETTIER = TSC.with_name("prettier")
SOURCES = ("backend", "tests", "benchmarks")


def check(*command):
    """Runs a tool on the tree; what it found is the failure."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend"), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}", pytrace=False)


def tool(name):
    return shutil.which(name, path=Path(sys.executable).parent) or name


def test_ruff_finds_nothing():
    check(tool("ruff"), "check", *SOURCES, "--output-format", "concise")


def test_code_is_formatted():
    check(tool("ruff"), "format", "--check", *SOURCES, "--output-format", "concise")


@pytest.mark.timeout(300)
def test_types_of_the_package():
    check(tool("mypy"))


def test_imports_point_one_way():
    check(tool("lint-imports"))


A_RUN = """
import sys
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
trainer = Trainer(Settings.parse({"num_envs": 2, "rollout_steps": 16}))
phases = trainer.phases()
assert next(phase for phase in phases if phase.kind is PhaseKind.UPDATE)
trainer.close()
sys.exit("torch._dynamo" in sys.modules or "sympy" in sys.modules)
"""


def test_a_run_begins_without_torchs_compiler():
    """It takes as long to import as torch itself, and compiles nothing here."""
    check(sys.executable, "-c", A_RUN)


def test_the_server_starts_without_torch():
    """Its import takes seconds, and only training processes need it."""
    check(sys.executable, "-c", "import sys, ppo_scope.server.serve; sys.exit('torch' in sys.modules)")


@pytest.mark.skipif(shutil.which("node") is None, reason="the types of the page are checked where Node is found")
def test_types_of_the_page():
    assert TSC.exists(), "the type checker is not there yet: `make test` installs it"
    check(TSC, "-p", "frontend/jsconfig.json")


@pytest.mark.skipif(shutil.which("node") is None, reason="the page's scripts are checked where Node is found")
def test_scripts_of_the_page_are_formatted():
    assert PRETTIER.exists(), "the formatter is not there yet: `make test` installs it"
    check(PRETTIER, "--check", "--log-level", "warn", "frontend/**/*.js")


def test_the_page_reaches_for_nothing_outside():
    """No link to another machine in what the browser gets: it must work without internet."""
    namespaces = ("http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML")
    for path in (ROOT / "frontend").rglob("*"):
        if path.suffix in {".html", ".css", ".js", ".svg"}:
            text = path.read_text()
            for namespace in namespaces:
                text = text.replace(namespace, "")
            assert "http://" not in text, path
            assert "https://" not in text, path


def test_every_requirement_is_pinned_to_a_version_it_allows():
    pins = dict(
        line.strip().lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        requirement = Requirement(text)
        name = requirement.name.lower().replace("_", "-")
        assert pins[name] in requirement.specifier, text
        assert version(name).split("+")[0] == pins[name], f"{name}: the tests run with another version"


@pytest.mark.parametrize("name", ["engine", "frames", "latency", "learning", "page", "probes", "sb3", "throughput"])
def test_benchmarks_fit_the_code(name):
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_the_page_and_nothing_else(wheel):
    files = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    frontend = {p.relative_to(ROOT).as_posix() for p in (ROOT / "frontend").rglob("*") if p.is_file()}
    assert {f"ppo_scope/{name}" for name in frontend} <= set(files)
    assert all(name.startswith("ppo_scope/") for name in files)
    kinds = {Path(name).suffix for name in files if not name.startswith("ppo_scope/frontend/")}
    assert kinds <= {".py", ".typed"}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A new virtual environment elsewhere with the wheel in it.

    The wheel's dependencies are lent by this environment, because torch is a large download; the package itself is not.
    """
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder)
    # Our pip installs into it: one of its own takes five seconds to put there.
    install = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]
    install += ["install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, timeout=60, capture_output=True, cwd=folder)
    ours = Path(site.getsitepackages()[0])
    theirs = next(folder.glob("lib/python*/site-packages"))
    lent = theirs / "lent"
    lent.mkdir()
    for entry in ours.iterdir():
        if "ppo_scope" not in entry.name and entry.suffix != ".pth":
            (lent / entry.name).symlink_to(entry)
    (theirs / "lent.pth").write_text(f"{lent}\n")
    return folder


FRONTEND = "ppo_scope/frontend/"


def test_the_wheel_serves_the_page_from_an_empty_environment(installed, wheel, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    code = "import ppo_scope; print(ppo_scope.__file__)"
    where = subprocess.run(
        [installed / "bin" / "python", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert Path(where.strip()).is_relative_to(installed)

    server = LiveServer("--paused", command=(str(installed / "bin" / "ppo-scope"),), folder=tmp_path)
    try:
        with zipfile.ZipFile(wheel) as archive:
            scripts = {
                name.removeprefix(FRONTEND): archive.read(name).decode()
                for name in archive.namelist()
                if name.startswith(FRONTEND) and name.endswith(".js")
            }
        page = server.get("").decode()
        script = server.get(re.search(r'src="(edition-[^"]+)"', page)[1]).decode()
        assert script.startswith(text_of(linked(scripts, "app.js"))) and len(scripts) > 200
        assert b".panels" in server.get(re.search(r'href="(edition-[^"]+)"', page)[1])
        assert b"plotly.js" in server.get("vendor/plotly.min.js")[:500]
        assert b'"clip_range"' in server.get("api/settings")
        assert server.run()["environment"] == "CartPole-v1"
    finally:
        assert server.stop() == 0
