"""Disks that are full and folders that nobody can write to: real ones, as far as this user may make them."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

SMALL = 1024 * 1024
"""Bytes."""


def mounted(*arguments: str) -> bool:
    """Whether the system did it; only root may, and not everywhere."""
    if os.geteuid() != 0:
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of `SMALL` bytes; where none can be made, a limit on the size of files that this process writes."""
    if mounted("-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)):
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, hard))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def made_larger(folder: Path) -> Iterator[None]:
    """Somebody has made room on the small disk."""
    if mounted("-o", f"remount,size={100 * SMALL}", str(folder)):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Nobody can write there; for root, who may write everywhere, by another mount."""
    if os.geteuid() != 0:
        for place in (folder, *folder.rglob("*")):
            place.chmod(0o555 if place.is_dir() else 0o444)
        try:
            yield folder
        finally:
            for place in (folder, *folder.rglob("*")):
                place.chmod(0o755 if place.is_dir() else 0o644)
        return
    there = folder.parent / f"{folder.name}, read only"
    there.mkdir()
    made = mounted("--bind", str(folder), str(there)) and mounted("-o", "remount,bind,ro", str(there))
    try:
        yield there if made else folder
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(there)], check=False)
