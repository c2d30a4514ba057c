from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from kfp import components

from speech_emotion.store.errors import NotServedError
from speech_emotion.store.folder import FolderStore
from training_pipeline.data.readers import read_all
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError, UnknownModelError
from training_pipeline.kubeflow.diagram import mermaid
from training_pipeline.kubeflow.parameters import parse, types_of
from training_pipeline.kubeflow.pipeline import Shape, compile_pipeline, load_documents
from training_pipeline.kubeflow.work import data as work
from training_pipeline.retraining.options import OptionError

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
    assert not cached & {"validate", "release"}
    assert "train" in cached
    mounted = {name for name, executor in on_kubernetes.items() if executor.get("pvcMount")}
    assert {"exec-validate", "exec-train", "exec-release"} <= mounted if shape.volumes else not mounted
    for executor in executors.values():
        resources = executor["container"]["resources"]
        assert "pipelinechannel--cpu" in resources["resourceCpuRequest"]
        assert "pipelinechannel--memory" in resources["resourceMemoryLimit"]


def test_the_committed_recurring_run_is_the_same_as_the_command_of_the_readme() -> None:
    [command] = re.findall(r"^ser pipeline schedule (?:.*\\\n)*.*$", (ROOT / "k8s" / "README.md").read_text(), re.M)
    words = shlex.split(command.replace("\\\n", ""))
    given = dict(pairwise(words))
    parameters = [word for option, word in pairwise(words) if option == "-p"]
    run = yaml.safe_load((ROOT / "k8s" / "recurring-run.yaml").read_text())
    assert run["trigger"]["cron_schedule"]["cron"] == given["--cron"]
    types = types_of(load_documents(COMPILED)[0])
    assert run["runtime_config"]["parameters"] == parse([f"image={given['--image']}", *parameters], types)


def test_the_page_has_the_picture_of_the_compiled_pipeline() -> None:
    drawn = mermaid(load_documents(COMPILED)[0])
    assert f"```mermaid\n{drawn}```" in (ROOT / "docs" / "pipeline.md").read_text(), "ser pipeline draw"
    for shown in ("metrics: Metrics", "confusion: ClassificationMetrics", "report: HTML", "card: Markdown"):
        assert shown in drawn


def test_the_picture_shows_shards_as_a_loop_that_is_gathered(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "pipeline.yaml", Shape(shards=2))
    drawn = mermaid(load_documents(tmp_path / "pipeline.yaml")[0]).splitlines()
    assert "  task_validate -- digest, findings --> task_for_loop_2" in drawn
    assert "  task_gather_examples --> task_train" in drawn


def test_a_fixed_image_needs_no_parameter(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "pipeline.yaml", Shape(image="registry.example/pipeline:1", fixed_image=True))
    executors = load_documents(tmp_path / "pipeline.yaml")[0]["deploymentSpec"]["executors"]
    assert {executor["container"]["image"] for executor in executors.values()} == {"registry.example/pipeline:1"}


@pytest.mark.slow
@pytest.mark.timeout(600)  # three processes, two of which import TensorFlow
def test_the_components_publish_and_label_on_the_local_runner(tmp_path: Path) -> None:
    """In a process of its own: kfp's local runner keeps its settings for good."""
    manifest = write_synthetic(tmp_path / "data", speakers=5, takes=2)
    store = tmp_path / "store"
    code = f"""
from kfp import local
from training_pipeline.kubeflow.diagram import mermaid
from training_pipeline.kubeflow.parameters import parse, types_of
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


def validated(data: object, report: Path, *, model: str = "mlp", servers: str = "offline") -> tuple[str, str]:
    return work.validate(str(data), model, servers, "canary", 0.1, str(report))


def test_the_data_sets_of_a_run_are_separated_by_commas(tmp_path: Path) -> None:
    sets = [write_synthetic(tmp_path / name, speakers=3, takes=1, seed=n) for n, name in enumerate(("one", "other"))]
    digest, findings = validated(f"{sets[0]}, {sets[1]}", tmp_path / "report.md")
    assert (digest, findings) == (read_all(sets).digest, "")
    assert "| one/00 | 3 |" in (tmp_path / "report.md").read_text()


def test_what_is_wrong_with_the_data_is_in_the_report_and_stops_the_next_task(tmp_path: Path) -> None:
    broken = write_synthetic(tmp_path / "broken", speakers=3, takes=1)
    clip = sorted(broken.parent.glob("*.wav"))[0]
    clip.write_bytes(b"RIFF")
    for number, (data, said) in enumerate(((broken, clip.name), (" , ", "names no data set"))):
        report = tmp_path / f"{number}.md"
        digest, findings = validated(data, report)
        assert digest == ""
        assert said in findings
        assert said in report.read_text()
        for task in (work.validated, partial(work_features, model="mlp")):
            with pytest.raises(DataError, match=f"{re.escape(findings[:40])}.*the report of `validate`"):
                task(str(data), tmp_path / "copy", digest, findings)


def work_features(data: str, examples: Path, digest: str, findings: str, model: str) -> None:
    work.features(data, digest, findings, model, 0, 1, "1", str(examples))


def test_model_servers_and_the_models_name_are_looked_at_before_the_data(tmp_path: Path) -> None:
    for servers, error, said in (
        ("nowhere.invalid:8500", NotServedError, "no model server answers at nowhere.invalid:8500"),
        ("models", NotServedError, "host:port is needed"),
        (" , ", OptionError, "a label needs `servers`"),
    ):
        with pytest.raises(error, match=said):
            validated("/nowhere", tmp_path / "report.md", servers=servers)
    with pytest.raises(UnknownModelError, match="no model 'mpl'"):
        validated("/nowhere", tmp_path / "report.md", model="mpl")


@pytest.mark.parametrize(("cpu", "processes"), [("500m", 1), ("1", 1), ("1500m", 2), ("1.5", 2), ("8", 8), ("0", 1)])
def test_there_is_a_process_for_each_cpu_that_was_asked_for(cpu: str, processes: int) -> None:
    assert work.workers(cpu) == processes


@pytest.mark.parametrize("cpu", ["", "many", "1Gi", "nan", "inf"])
def test_a_cpu_request_that_is_none_is_refused(cpu: str) -> None:
    with pytest.raises(OptionError, match="it must be CPUs such as"):
        work.workers(cpu)


def test_tasks_that_compute_nothing_import_no_tensorflow(tmp_path: Path) -> None:
    manifest = write_synthetic(tmp_path / "data", speakers=3, takes=1)
    code = f"""
import sys
from training_pipeline.kubeflow.work import data
digest, findings = data.validate({str(manifest)!r}, "mlp", "offline", "canary", 1.0, {str(tmp_path / "report.md")!r})
for shard in range(2):
    data.features({str(manifest)!r}, digest, findings, "mlp", shard, 2, "1", {str(tmp_path)!r} + f"/{{shard}}")
data.gather([{str(tmp_path / "0")!r}, {str(tmp_path / "1")!r}], {str(tmp_path / "all")!r})
print("tensorflow" in sys.modules, "keras" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_a_client_certificate_comes_from_the_secret_of_the_ca(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    for client in (False, True):
        compile_pipeline(path, Shape(tls_secret="model-server-tls", tls_client=client))
        pipeline, platform = load_documents(path)
        executors = pipeline["deploymentSpec"]["executors"]
        secrets = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for name in ("exec-validate", "exec-release"):
            given = {one["name"]: Path(one["value"]).name for one in executors[name]["container"]["env"]}
            expected = {"PIPELINE_SERVER_CA_FILE": "ca.crt"}
            if client:
                expected |= {
                    "PIPELINE_SERVER_CLIENT_CERT_FILE": "tls.crt",
                    "PIPELINE_SERVER_CLIENT_KEY_FILE": "tls.key",
                }
            assert given == expected
            (secret,) = secrets[name]["secretAsVolume"]
            assert secret["secretName"] == "model-server-tls"
        assert "secretAsVolume" not in secrets["exec-train"]
    with pytest.raises(OptionError, match="needs the Secret"):
        Shape(tls_client=True)


def test_tasks_reach_the_buckets_of_data_and_store(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    endpoint = "http://s3.example:9000"
    compile_pipeline(path, Shape(volumes=False, shards=2, bucket_secret="bucket", bucket_endpoint=endpoint))
    pipeline, platform = load_documents(path)
    executors = pipeline["deploymentSpec"]["executors"]
    secrets = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name in ("exec-validate", "exec-features", "exec-train", "exec-release"):
        given = {one["name"]: one["value"] for one in executors[name]["container"]["env"]}
        assert given == {
            "AWS_SHARED_CREDENTIALS_FILE": "/etc/bucket/credentials",
            "AWS_ENDPOINT_URL_S3": endpoint,
        }
        (secret,) = secrets[name]["secretAsVolume"]
        assert (secret["secretName"], secret["mountPath"]) == ("bucket", "/etc/bucket")
    assert "env" not in executors["exec-gather"]["container"]
