from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_emotion.features import WHISPER_SPEC
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.facts import Facts
from training_pipeline.errors import UnknownModelError
from training_pipeline.networks.registry import find
from training_pipeline.training import job as jobs
from training_pipeline.training.checkpoints import checkpoints
from training_pipeline.training.job import Job


@pytest.fixture
def job(data_set: DataSet) -> Job:
    return Job.resolve("mlp", data_set)


def test_a_job_knows_its_network_its_held_out_speakers_and_its_facts(job: Job, data_set: DataSet) -> None:
    assert job.network is find("mlp")
    assert {data_set.clips[i].speaker for i in job.data.split.test} == {"00"}
    assert job.facts == Facts()
    with pytest.raises(UnknownModelError, match="transformer"):
        Job.resolve("transformer", data_set)


def test_a_trial_is_a_job_only_where_trials_are_asked_for(data_set: DataSet) -> None:
    trial = Job.resolve("edge/not-taught", data_set, trials=True)
    assert trial.folder_name == f"edge-not-taught-{trial.identity}"
    with pytest.raises(UnknownModelError):
        Job.resolve("edge/not-taught", data_set)


@pytest.mark.parametrize("part", ["clip", "row", "seed", "name", "spec", "weights", "calibrated"])
def test_whatever_changes_the_network_changes_the_identity(job: Job, part: str) -> None:
    network, data = job.network, job.data
    other = {
        "clip": replace(job, data=replace(data, clips=data.clips[1:])),
        "row": replace(job, data=replace(data, clips=[replace(data.clips[0], speaker="x"), *data.clips[1:]])),
        "seed": replace(job, seed=1),
        "name": replace(job, network=replace(network, name="mlp2")),
        "spec": replace(job, network=replace(network, spec=WHISPER_SPEC)),
        "weights": replace(job, network=replace(network, provenance=lambda: {"sha256": "0"})),
        "calibrated": replace(job, network=replace(network, calibrated=False)),
    }[part]
    assert other.identity != job.identity


def test_the_cards_facts_change_no_network(job: Job) -> None:
    assert replace(job, facts=Facts("other", "other")).identity == job.identity


def test_edited_sources_and_other_libraries_change_the_identity(
    job: Job, data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {job.identity}
    monkeypatch.setattr(jobs, "sources", lambda *_: "edited")
    names.add(Job.resolve("mlp", data_set).identity)
    monkeypatch.setattr(jobs, "software", lambda: {"tensorflow": "0"})
    names.add(Job.resolve("mlp", data_set).identity)
    assert len(names) == 3


def test_a_network_of_another_package_brings_its_own_sources(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign_networks").mkdir()
    (tmp_path / "foreign_networks" / "__init__.py").write_text("def fit(*_, **__): return None")
    monkeypatch.syspath_prepend(tmp_path)
    from foreign_networks import fit  # type: ignore[import-not-found]

    seen: list[Any] = []
    monkeypatch.setattr(jobs, "sources", lambda *modules: seen.append(modules) or "")
    _ = replace(job, network=replace(job.network, fit=partial(fit, depth=2))).identity
    assert {*seen[0]} == {*jobs.TRAINED_BY, "foreign_networks"}


def test_checkpoints_stay_while_a_training_is_broken_off_and_go_when_it_is_done(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def train(keep: bool, broken: bool = False) -> None:
        with checkpoints(job, tmp_path, keep=keep) as folder:
            folder.mkdir(exist_ok=True)
            np.savez(folder / "last.npz", epoch=1)
            if broken:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(keep=False, broken=True)
    assert [path.name for path in tmp_path.iterdir()] == [job.folder_name]
    assert caplog.messages == []
    train(keep=True)
    assert "resuming from the checkpoints" in caplog.text
    assert (tmp_path / job.folder_name / "last.npz").is_file()
    train(keep=False)
    assert list(tmp_path.iterdir()) == []
