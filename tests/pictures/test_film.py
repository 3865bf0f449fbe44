"""A film of policies side by side: real episodes, read back from the file."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from ppo_scope.cli import main
from ppo_scope.pictures.film import FASTEST
from tests.kept import run_on_disk


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return run_on_disk(tmp_path_factory.mktemp("runs"), 2)


def test_two_moments_of_a_run_act_side_by_side(run, tmp_path, capsys):
    path = tmp_path / "film.gif"
    assert main(["export", str(run), "--to", str(path), "--at", "1", "--at", "3"]) == 0
    assert "before update 1, after update 2" in capsys.readouterr().out
    with Image.open(path) as film:
        assert film.n_frames > 4 and film.info["duration"] == round(1000 / FASTEST[".gif"])
        left, right = [], []
        for number in range(film.n_frames):
            film.seek(number)
            picture = np.asarray(film.convert("RGB"))
            left.append(picture[:, :400])
            right.append(picture[:, -400:])
        assert film.info["duration"] >= 1000, "the end is shown for a while"
    assert (left[0][30:-30] == right[0][30:-30]).all(), "both begin in the same state"
    assert not (left[0][:24] == right[0][:24]).all(), "each is called what it is"
    assert any((one != left[0]).any() for one in left), "it moves"


def test_a_film_for_players(run, tmp_path):
    path = tmp_path / "film.mp4"
    assert main(["export", str(run), "--to", str(path), "--episodes", "2"]) == 0
    frames = imageio_ffmpeg.read_frames(str(path))
    about = next(frames)
    assert about["fps"] == FASTEST[".mp4"] and about["size"] == (400, 316) and len(list(frames)) > 20


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--to", "film.gif", "--at", "0"], "has no state of update 0 or before"),
        (["--to", "film.gif", "--episodes", "0"], "--episodes: from 1 to"),
        (["--to", "run.csv", "--at", "1"], "--at: is for weights and films"),
        (["--to", "run.safetensors", "--at", "1", "--at", "2"], "--at: once for safetensors"),
    ],
)
def test_what_cannot_be_filmed_is_said_in_one_line(run, tmp_path, capsys, options, why):
    options[1] = str(tmp_path / options[1])
    assert main(["export", str(run), *options]) == 2
    said = capsys.readouterr().err
    assert why in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
