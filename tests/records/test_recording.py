"""A recording holds what a page would have got of the same run, and says what it is."""

import gzip

import pytest

from ppo_scope.cli import main
from ppo_scope.records.recorded import check, name_of
from ppo_scope.wire import frame

SMALL = ["--num-envs", "2", "--rollout-steps", "16", "--epochs", "1", "--minibatches", "2", "--seed", "3"]


def frames_of(path):
    whole, frames, at = gzip.decompress(path.read_bytes()), [], 0
    while at < len(whole):
        length = int.from_bytes(whole[at : at + 8], "little")
        frames.append(frame.decode(whole[at + 8 : at + 8 + length]))
        at += 8 + length
    return frames


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "run.rec"
    assert main(["record", "--out", str(path), "--tens", "1", *SMALL]) == 0
    return path


@pytest.fixture(scope="module")
def recorded(file):
    return frames_of(file)


def test_the_first_frame_describes_the_run(recorded):
    run = recorded[0][0]["run"]
    assert (run["environment"], run["seed"], run["update"]) == ("CartPole-v1", 3, 12)
    assert run["settings"]["num_envs"] == 2
    assert run["reward_threshold"] == 475.0


def test_the_first_and_the_last_update_are_there_phase_by_phase(recorded):
    places = [(h["update"], h["phase"], h["minibatch"]) for h, _ in recorded if h["kind"] in ("snapshot", "passing")]
    inner = [(phase, m) for m in (1, 2) for phase in ("loss", "gradient", "step")]
    walk = [("rollout", 0), ("advantages", 0), *inner, ("epoch", 2), ("update", 2)]
    assert [(u, p, m) for u, p, m in places if u == 1] == [(1, *place) for place in walk]
    assert [(u, p, m) for u, p, m in places if u == 12] == [(12, *place) for place in walk]
    assert (11, "update", 2) in places


def test_each_of_their_phases_is_measured_in_full(recorded):
    losses = [arrays for header, arrays in recorded if header["kind"] == "snapshot" and header["phase"] == "loss"]
    assert len(losses) == 4
    assert all({"gradient_norms", "region", "value_target", "observation"} <= arrays.keys() for arrays in losses)


def test_every_row_and_a_picture_are_there(recorded):
    rows = sum(len(arrays["rows"]) for header, arrays in recorded if header["kind"] == "series")
    assert rows == 12
    (picture,) = [arrays for header, arrays in recorded if header["kind"] == "picture"]
    assert picture["image"][:3].tobytes() == b"\xff\xd8\xff"


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path, capsys):
    assert main(["record", "--out", str(tmp_path / "no" / "such.rec"), "--tens", "0", *SMALL]) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said and said.count("\n") == 1


@pytest.mark.parametrize("tens", ["-3", "few", "1.5"])
def test_tens_of_updates_are_a_whole_number(tens, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["record", "--out", str(tmp_path / "run.rec"), "--tens", tens, *SMALL])
    assert f"argument --tens: '{tens}' is no whole number from 0 on" in capsys.readouterr().err


def test_a_run_that_something_halts_is_recorded_as_far_as_it_came(tmp_path, capsys):
    path = tmp_path / "halted.rec"
    broken = ["--env", "tests.environments.not_finite:Nan-v0", "--tens", "1", *SMALL]
    assert main(["record", "--out", str(path), *broken]) == 1
    said = capsys.readouterr().err
    assert "the run was halted, and the recording ends there. Not finite: the environment's observation" in said
    check(path)
    assert frames_of(path)[-1][0]["update"] == 0


def test_what_was_recorded_can_be_opened(file):
    check(file)


def test_what_cannot_be_opened_is_said_in_one_line(file, tmp_path, capsys):
    whole = file.read_bytes()
    run = frame.encode({"kind": "run", "run": {}, "protocol": 99})
    for content, why in {
        None: "No such file",
        b"": "does not begin with a run",
        b"<!doctype html>": "it is no recording, which would be packed with gzip",
        whole[: len(whole) // 2]: "damaged or cut off",
        gzip.compress(b"\x00" * 4 + b"noise"): "damaged or cut off",
        gzip.compress(len(run).to_bytes(8, "little") + run): "another version",
    }.items():
        path = tmp_path / f"{len(content or b'')}.rec"
        if content is not None:
            path.write_bytes(content)
        assert main(["open", "--no-browser", str(path)]) == 2
        said = capsys.readouterr().err
        assert why in said and said.count("\n") == 1, said


def test_a_files_name_becomes_an_address(tmp_path):
    names = {
        "run.rec": "run",
        "Mein Lauf (2).rec": "mein-lauf-2",
        "…": "recording",
        "a.b.rec": "a-b",
        "x" * 99: "x" * 60,
    }
    assert {given: name_of(tmp_path / given) for given in names} == names
