from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kfp import components

from speech_emotion.store.folder import FolderStore
from training_pipeline.data.readers import read_all
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError
from training_pipeline.kubeflow import work
from training_pipeline.kubeflow.pipeline import Shape, compile_pipeline, load_documents

ROOT = Path(__file__).parents[3]
COMPILED = ROOT / "k8s" / "pipeline.yaml"


def test_the_compiled_pipeline_is_current_and_kfp_reads_it(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "pipeline.yaml")
    assert load_documents(COMPILED) == load_documents(tmp_path / "pipeline.yaml"), "make k8s/pipeline.yaml"
    loaded = components.load_component_from_file(str(COMPILED))
    assert set(loaded.component_spec.inputs) >= {"image", "data_pvc", "store_pvc", "servers", "label"}


@pytest.mark.parametrize("shape", [Shape(), Shape(shards=3, work_volume=True), Shape(volumes=False)])
def test_every_task_has_our_image_and_a_timeout_and_what_reads_the_store_is_never_cached(
    shape: Shape, tmp_path: Path
) -> None:
    compile_pipeline(tmp_path / "pipeline.yaml", shape)
    pipeline, platform = load_documents(tmp_path / "pipeline.yaml")
    assert pipeline["schemaVersion"] == "2.1.0"
    executors = pipeline["deploymentSpec"]["executors"]
    on_kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, executor in executors.items():
        assert "pipelinechannel--image" in executor["container"]["image"], name
        assert "pip install" not in yaml.safe_dump(executor), name
        assert int(on_kubernetes[name]["activeDeadlineSeconds"]) > 0, name
    tasks = pipeline["root"]["dag"]["tasks"]
    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert not cached & {"validate", "compare", "publish", "check", "promote"}
    assert {"train", "evaluate"} <= cached
    mounted = {name for name, executor in on_kubernetes.items() if executor.get("pvcMount")}
    stores = {"exec-compare", "exec-publish", "exec-check", "exec-promote"}
    assert stores <= mounted if shape.volumes else not mounted


def test_a_fixed_image_needs_no_parameter(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "pipeline.yaml", Shape(image="registry.example/pipeline:1", fixed_image=True))
    executors = load_documents(tmp_path / "pipeline.yaml")[0]["deploymentSpec"]["executors"]
    assert {executor["container"]["image"] for executor in executors.values()} == {"registry.example/pipeline:1"}


@pytest.mark.slow
@pytest.mark.timeout(600)  # nine processes, each of which imports TensorFlow
def test_the_components_publish_and_label_on_the_local_runner(tmp_path: Path) -> None:
    """In a process of its own: kfp's local runner keeps its settings for good."""
    manifest = write_synthetic(tmp_path / "data", speakers=5, takes=2)
    store = tmp_path / "store"
    code = f"""
from kfp import local
from training_pipeline.kubeflow.pipeline import Shape, make_pipeline
local.init(local.SubprocessRunner(use_venv=False), pipeline_root={str(tmp_path / "root")!r})
make_pipeline(Shape(volumes=False))(
    data={str(manifest)!r}, store={str(store)!r}, servers="offline", folds=0, load_timeout_s=120.0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert FolderStore(store).versions("speech_emotion") == [1], done.stdout[-3000:]
    assert FolderStore(store).read_config().labels("speech_emotion") == {"stable": 1}
    card = json.loads(FolderStore(store).read("speech_emotion", 1, "assets.extra/model_card.json") or b"")
    assert card["evaluation"]["held_out"]["speakers"] == ["00"]


def test_the_data_sets_of_a_run_are_separated_by_commas(tmp_path: Path) -> None:
    sets = [write_synthetic(tmp_path / name, speakers=3, takes=1, seed=n) for n, name in enumerate(("one", "other"))]
    digest = work.validate(f"{sets[0]}, {sets[1]}", str(tmp_path / "report.md"))
    assert digest == read_all(sets).digest
    assert "| one/00 | 3 |" in (tmp_path / "report.md").read_text()
    with pytest.raises(DataError, match="names no data set"):
        work.validate(" , ", str(tmp_path / "report.md"))
