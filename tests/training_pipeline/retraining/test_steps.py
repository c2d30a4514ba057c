from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.publish import publish
from speech_emotion.store.servers import ModelServers
from training_pipeline.data.readers import read_data
from training_pipeline.errors import DataError, FailedCheckError
from training_pipeline.evaluation.compare import Decision
from training_pipeline.kubeflow.work import data as kubeflow_data
from training_pipeline.retraining import steps
from training_pipeline.retraining.check import check
from training_pipeline.retraining.features import gather_features, make_features
from training_pipeline.savedmodel.golden import PATH, PROVENANCE, golden_windows
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.savedmodel.trained import load_trained
from training_pipeline.savedmodel.version import CARD_JSON, CARD_PAGE
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job

NAME = "speech_emotion"
pytestmark = pytest.mark.timeout(600)  # a model server has to start


@pytest.fixture(scope="module")
def job(manifest: Path) -> Job:
    return Job.resolve("mlp", read_data(manifest), name="synthetic")


@pytest.fixture(scope="module")
def work(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features, a trained network and a candidate of the synthetic set."""
    work = tmp_path_factory.mktemp("work")
    make_features(job, work / "examples")
    examples = Examples.load(work / "examples", job.data)
    steps.train_model(job, examples, work / "trained")
    steps.evaluate_model(job, examples, load_trained(work / "trained"), work / "candidate", work / "report", folds=2)
    return work


def test_features_in_processes_and_in_shards_are_the_same(job: Job, work: Path, tmp_path: Path) -> None:
    for shard in range(2):
        make_features(job, tmp_path / f"{shard}", shard=shard, shards=2, workers=2)
    gather_features([tmp_path / "0", tmp_path / "1"], tmp_path / "all")
    whole, gathered = Examples.load(work / "examples"), Examples.load(tmp_path / "all")
    assert [clip.path for clip in gathered.clips] == [clip.path for clip in whole.clips]
    assert (gathered.emotions, gathered.data.digest) == (whole.emotions, job.data.digest)
    np.testing.assert_array_equal(np.concatenate(gathered.features), np.concatenate(whole.features))


def test_a_job_of_another_process_is_the_same_job(job: Job, work: Path) -> None:
    again = Job.resolve("mlp", Examples.load(work / "examples").data)
    assert again.identity == job.identity
    np.testing.assert_array_equal(again.data.split.test, job.data.split.test)


def test_a_data_set_that_changed_meanwhile_is_refused(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has changed since it was validated"):
        kubeflow_data.features(str(manifest), "another", "", "mlp", 0, 1, "1", str(tmp_path / "examples"))
    assert list(tmp_path.iterdir()) == []


def test_the_same_inputs_give_the_same_network(job: Job, work: Path, tmp_path: Path) -> None:
    examples = Examples.load(work / "examples", job.data)
    steps.train_model(job, examples, tmp_path / "again")
    first, second = load_trained(work / "trained"), load_trained(tmp_path / "again")
    np.testing.assert_array_equal(first.predict(examples.features), second.predict(examples.features))
    assert first.temperature == second.temperature


def test_a_candidate_carries_card_and_golden_set_and_answers_as_trained(work: Path) -> None:
    model, examples = ServableModel(work / "candidate"), Examples.load(work / "examples")
    np.testing.assert_allclose(
        model.predict(examples.features), load_trained(work / "trained").predict(examples.features), atol=1e-5
    )
    card = model.description.card
    assert card["data"]["speakers"] == ["01", "02", "03", "04"]
    assert card["evaluation"]["held_out"]["speakers"] == ["00"]
    assert card["evaluation"]["unheard_speakers"]["clips"] == len(examples.clips)
    assert card == json.loads((work / "candidate" / CARD_JSON).read_text())
    assert "| held-out speakers, never trained on | 00 |" in (work / "candidate" / CARD_PAGE).read_text()
    assert {path.name for path in (work / "report").iterdir()} == {
        "README.md",
        "confusion.png",
        "evaluation.json",
        "report.html",
    }


def test_retraining_keeps_made_up_windows_for_the_golden_set_and_no_recording(work: Path) -> None:
    with np.load(work / "candidate" / PATH, allow_pickle=False) as arrays:
        features, provenance = arrays["features"], str(arrays["provenance"])
    assert provenance == PROVENANCE
    statistics = ServableModel(work / "candidate").description.card["feature_statistics"]
    np.testing.assert_array_equal(features, golden_windows(SEED_SPEC, statistics))
    recorded = np.concatenate(Examples.load(work / "examples").features)
    nearest = np.abs(features[:, np.newaxis] - recorded).reshape(len(features), len(recorded), -1).mean(axis=2)
    assert nearest.min() > 1


def test_the_check_passes_over_grpc_and_quarantines_what_answers_otherwise(work: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    good = publish(store, NAME, work / "candidate")
    assert check(store, NAME, good, ModelServers(timeout_s=250)) <= 1e-4
    golden = store.root / NAME / str(good) / PATH
    with np.load(golden) as arrays:
        features, probabilities = arrays["features"], arrays["probabilities"]
    np.savez_compressed(golden, features=features, probabilities=probabilities[::-1])
    (store.root / NAME / str(good) / "manifest.json").unlink()
    with pytest.raises(FailedCheckError, match="in quarantine"):
        check(store, NAME, good, ModelServers(timeout_s=250))
    assert store.versions(NAME) == []
    assert "off what training saw" in (store.root / NAME / ".quarantine" / f"{good}.json").read_text()


def test_a_first_version_that_may_be_chance_is_published_without_a_label(work: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    number = publish(store, NAME, work / "candidate")
    decision = Decision("unlabelled", "too few clips to tell it from chance")
    for asked in ("stable", "canary", "none"):
        given = steps.label_version(store, NAME, number, asked, decision, ModelServers())
        assert given == ("none", decision.reason)
    assert store.versions(NAME) == [number]
    assert store.read_config().labels(NAME) == {}
