"""A failure is told in a sentence that names the method, the file and the line."""

import signal
from pathlib import Path

import numpy as np
import pytest

from ppo_scope.pictures import failures, graphics
from ppo_scope.pictures.images import CannotRender, encode


class Env:
    def render(self):
        return self.paint()

    def paint(self):
        raise RuntimeError("no brush.\nat all")

    def reset(self):
        return encode(np.zeros(3))


def test_what_was_raised_names_method_and_place():
    with pytest.raises(RuntimeError) as caught:
        Env().render()
    text = failures.raised("Box-v0", caught.value)
    line = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "no brush" in text)
    assert text == f"Box-v0 cannot be drawn: render() failed (test_failures.py, line {line}): RuntimeError: no brush."


def test_a_picture_that_is_none_is_its_own_explanation():
    said = failures.raised("Box-v0", CannotRender("render() gave nothing"))
    assert said == "Box-v0 cannot be drawn: render() gave nothing."


DUMP = f"""noise
Timeout (0:00:09)!
Thread 0x1 (most recent call first):
  File "/lib/threading.py", line 1 in run

Thread 0x2 (most recent call first):
  File "/lib/numpy/core.py", line 900 in sort
  File "/home/me/box.py", line 31 in paint
  File "/home/me/box.py", line 12 in render
  File "/lib/site-packages/gymnasium/core.py", line 300 in render
  File "{failures.OURS}/pictures/acting.py", line 5 in look
  File "/lib/multiprocessing/process.py", line 1 in run
more noise
"""


def test_what_hangs_is_named_from_the_traceback_that_faulthandler_printed():
    text = failures.hung("Box-v0", 10, DUMP)
    assert text.startswith(
        "render() has not come back for 10 seconds (box.py, line 31): the process that draws Box-v0 "
    )
    assert failures.hung("Box-v0", 10, "noise").startswith("Drawing has not come back for 10 seconds: ")


@pytest.mark.parametrize(
    ("exitcode", "output", "words"),
    [
        (3, "", "has ended its process (exit code 3)."),
        (3, "a\nlicence missing\n", '(exit code 3), after it had printed "licence missing".'),
        (-signal.SIGSEGV, "", "has crashed its process (SIGSEGV)."),
        (
            -signal.SIGSEGV,
            'Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n  File "/a/x.py", '
            'line 7 in render\n  File "/lib/gymnasium/core.py", line 3 in render\n',
            "(SIGSEGV, in render(), x.py, line 7).",
        ),
        (-signal.SIGKILL, "", "was killed from outside"),
    ],
)
def test_why_the_process_is_gone(exitcode, output, words):
    assert words in failures.ended("Box-v0", exitcode, output)


def test_back_ends_are_tried_where_there_is_neither_a_choice_nor_a_display():
    assert graphics.backends({}, "linux") == ("egl", "osmesa")
    assert graphics.backends({"MUJOCO_GL": "glfw"}, "linux") == (None,)
    assert graphics.backends({"DISPLAY": ":0"}, "linux") == (None,)
    assert graphics.backends({"WAYLAND_DISPLAY": "wayland-0"}, "linux") == (None,)
    assert graphics.backends({}, "darwin") == (None,)
