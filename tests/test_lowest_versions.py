"""The lowest versions that pyproject.toml allows are enough: installed in a place of their own, and tested there.

It downloads them, so it runs where it is asked for: `make lowest`.
"""

import functools
import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.live import ROOT

ASKED_FOR = "PPO_SCOPE_LOWEST"
CORE = (
    *("tests/ppo", "tests/probes", "tests/diagnosis", "tests/wire", "tests/records"),
    *("tests/server/test_protocol.py", "tests/server/test_door.py", "tests/test_docs.py"),
)
OTHERS = ("stable_baselines3", "sb3_contrib", "scipy")
"""They say for themselves what they go with: what imports one of them is not tested with the lowest versions."""
IMPORTED = re.compile(r"^(?:from|import) ([\w.]+)", re.MULTILINE)
HELPERS = ("httpx", "hypothesis", "pytest", "pytest-timeout")
"""Of what the tests need, what these tests do."""
LENT = "torch"
"""A large download: it is lent by this environment, which has the lowest version of it."""


def lowest(requirement):
    """`name[extra]==version`, of the lowest version that is allowed."""
    (floor,) = [spec.version for spec in requirement.specifier if spec.operator == ">="]
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}=={floor}"


def floors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(text) for text in project["dependencies"]]
    testing = [Requirement(text) for text in project["optional-dependencies"]["test"]]
    return [*needed, *(one for one in testing if one.name in HELPERS)]


@functools.cache
def imports_others(module):
    """Whether a module of the tests does, or one of the tests that it imports."""
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    names = IMPORTED.findall(file.read_text(encoding="utf-8")) if file.exists() else []
    return any(imports_others(name) if name.startswith("tests.") else name.split(".")[0] in OTHERS for name in names)


def left_out():
    """Files of the core's tests."""
    files = (file.relative_to(ROOT) for one in CORE for file in (ROOT / one).rglob("test_*.py"))
    return [str(file) for file in files if imports_others(".".join(file.with_suffix("").parts))]


def with_what_it_needs(name, seen=()):
    """The names of a distribution and of all that it needs here."""
    if name in seen:
        return set(seen)
    seen = {*seen, name}
    for text in requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            seen = with_what_it_needs(re.sub(r"[-_.]+", "-", requirement.name).lower(), seen)
    return seen


def lend(name, theirs):
    """Link what a distribution consists of, and what it needs and is not there, into another environment."""
    for one in sorted(with_what_it_needs(name)):
        found = distribution(one)
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] not in {"..", "__pycache__"}}:
            link = theirs / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))


def test_lowest_torch_is_the_one_that_is_tested():
    (requirement,) = [one for one in floors() if one.name == LENT]
    assert lowest(requirement).removeprefix("torch==") == ".".join(
        distribution(LENT).version.split("+")[0].split(".")[:2]
    )


@pytest.mark.skipif(not os.environ.get(ASKED_FOR), reason=f"downloads: `make lowest`, or {ASKED_FOR}=1")
@pytest.mark.timeout(3600)
def test_the_core_works_with_the_lowest_versions(tmp_path):
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    versions = [lowest(one) for one in floors() if one.name != LENT]
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *versions)
    lend(LENT, next(folder.glob("lib/python*/site-packages")))
    run(python, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", *(f"--ignore={one}" for one in left_out()), *CORE)


def run(*command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "backend")}
    environment.pop(ASKED_FOR, None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr)[-8000:]}", pytrace=False)
    sys.stdout.write(done.stdout[-2000:])
