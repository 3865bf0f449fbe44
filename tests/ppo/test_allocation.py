"""Memory that is freed is kept: the system is not asked for it again in every minibatch."""

import os
import subprocess
import sys

import pytest

from tests.live import COMMAND

GLIBC = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
UPDATE = 64 * 128
LARGE = ("--num-envs", "64", "--rollout-steps", "128", "--minibatches", "1", "--epochs", "2")


def pages_taken(updates):
    """How often a training of so many updates was handed a page by the system."""
    command = [*COMMAND, "train", *LARGE, "--total-steps", str((updates - 1) * UPDATE + 1)]
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt)"
    )
    found = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(not GLIBC, reason="only its allocator is told anything")
def test_later_updates_get_along_with_the_memory_of_the_first_ones():
    some, more = 3, 13
    pages = (pages_taken(more) - pages_taken(some)) / (more - some)
    assert pages < 1500, "each of the hidden layers alone has 512"
