"""From a clone or a release to a cluster: what builds, names, pushes and installs the images agrees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import APP_VERSION, CHART, ROOT, binary, container, refusal, render

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yaml").read_text())
GUIDE = (ROOT / "docs" / "kubernetes.md").read_text()
ACCOUNT = "ghcr.io/OWNER"
SENTENCE = f"No registry has the image speech-emotion/gateway:{APP_VERSION}"


@pytest.fixture(scope="module")
def chart_of_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the chart that renders its notes as a manifest: helm prints them for a cluster alone."""
    copy = tmp_path_factory.mktemp("notes") / "speech-emotion"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "NOTES.txt").rename(copy / "notes.txt")
    (copy / "templates" / "notes.yaml").write_text('notes: {{ tpl (.Files.Get "notes.txt") . | toJson }}\n')
    return copy


def notes(chart: Path, *sets: str) -> str:
    command = [binary(), "template", "r", str(chart), "--kube-version", "1.34.0", "--show-only", "templates/notes.yaml"]
    command += [word for each in sets for word in ("--set", each)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return str(yaml.safe_load(done.stdout)["notes"])


def images(manifests: list[dict[str, Any]]) -> set[str]:
    return set(re.findall(r"image: (\S*speech-emotion/\S+)", yaml.safe_dump_all(manifests)))


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(ROOT), *words]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def step(job: str, name: str) -> str:
    """The script of a step that has this id or name."""
    steps = WORKFLOW["jobs"][job]["steps"]
    return next(str(each["run"]) for each in steps if name in (each.get("id"), each.get("name")))


def run_step(script: str, folder: Path, **variables: str) -> None:
    environment = {**os.environ, "REGISTRY": WORKFLOW["env"]["REGISTRY"], "GITHUB_REF_NAME": "v1.2.3", **variables}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode == 0


def test_the_notes_say_how_long_a_check_from_elsewhere_waits(chart_of_notes: Path) -> None:
    load = ("modelServer.load.retries=5", "modelServer.load.retryIntervalSeconds=60")
    assert "-p load_timeout_s=480" in notes(chart_of_notes, "modelStore.type=pvc", *load)
    for shorter in (("modelStore.type=pvc",), load):
        assert "load_timeout_s" not in notes(chart_of_notes, *shorter)


def test_the_notes_say_in_a_sentence_that_no_registry_has_the_image(chart_of_notes: Path) -> None:
    assert SENTENCE in notes(chart_of_notes)
    assert SENTENCE not in notes(chart_of_notes, "gateway.image.registry=registry.example.org/team")
    assert SENTENCE not in notes(chart_of_notes, "gateway.image.repository=team/gateway")


def test_the_notes_name_the_ingress_s_host_and_path(chart_of_notes: Path) -> None:
    assert "-F file=@sample.wav -H 'Host: speech.localhost' http://ADDRESS/predict" in notes(chart_of_notes)
    below = ("gateway.ingress.host=", "gateway.ingress.paths[0].path=/speech/")
    assert "-F file=@sample.wav http://ADDRESS/speech/predict" in notes(chart_of_notes, *below)


@pytest.mark.parametrize(
    ("image", "sets"),
    [
        ("gateway.image", []),
        ("retraining.image", ["modelStore.type=pvc", "retraining.job.enabled=true", "retraining.data.existingClaim=c"]),
        ("modelServer.builtinImage", ["modelServer.engine=builtin"]),
    ],
)
def test_an_image_that_no_registry_has_is_never_pulled_always(image: str, sets: list[str]) -> None:
    said = refusal(f"{image}.pullPolicy=Always", *sets)
    assert re.search(rf"no registry has the image speech-emotion/\w+: set {image}.registry", said)
    assert render(f"{image}.pullPolicy=Always", f"{image}.registry={ACCOUNT}", *sets)
    if image != "gateway.image":
        assert render(f"{image}.pullPolicy=Always"), "nothing runs it"


def test_the_guide_builds_and_loads_what_the_chart_runs() -> None:
    first = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == [
        "make images IMAGES=gateway",
        "make load-kind IMAGES=gateway",
    ]
    (image,) = images(render())
    assert f"-f Dockerfile.$name -t speech-emotion/$name:{APP_VERSION} ." in make("-n", "images").stdout
    for target, program in (
        ("load-kind", "kind load docker-image --name kind"),
        ("load-minikube", "minikube image load"),
    ):
        assert f"{program} {image.replace('gateway', '$name')}" in make("-n", target, "IMAGES=gateway").stdout


def test_pushed_images_are_those_that_the_chart_pulls_from_there(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@" >> "$LOG"\n')
    docker.chmod(0o755)
    path = f"PATH={tmp_path}:{os.environ['PATH']}"
    done = make("push", "REGISTRY=registry.example.org/team", "IMAGES=gateway", path, f"LOG={tmp_path / 'log'}")
    assert done.returncode == 0, done.stderr
    (image,) = images(render("gateway.image.registry=registry.example.org/team"))
    assert (tmp_path / "log").read_text().splitlines()[-1] == f"push {image}"
    done = make("push")
    assert (done.returncode, "REGISTRY is not set" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", WORKFLOW["jobs"]["image"]["strategy"]["matrix"]["name"])
def test_a_release_pushes_images_under_the_names_of_the_guide_and_the_chart(name: str, tmp_path: Path) -> None:
    script = step("build", "name").replace("${{ matrix.name }}", name)
    run_step(script, tmp_path, OWNER="Some-Team", GITHUB_OUTPUT=str(tmp_path / "output"))
    assert (tmp_path / "output").read_text().splitlines() == [
        f"image=ghcr.io/some-team/speech-emotion/{name}",
        "version=1.2.3",
    ]
    assert f"`{ACCOUNT}/speech-emotion/{name}`" in GUIDE
    assert (ROOT / f"Dockerfile.{name}").is_file()
    (push,) = (each["with"] for each in WORKFLOW["jobs"]["build"]["steps"] if each.get("id") == "push")
    assert push["tags"] == "${{ steps.name.outputs.image }}:${{ steps.name.outputs.version }}-${{ matrix.platform }}"
    (tmp_path / "docker").write_text('#!/bin/sh\n[ "$3" = inspect ] && echo sha256:0 || echo "$@" >> log\n')
    (tmp_path / "cosign").write_text('#!/bin/sh\necho "$@" >> log\n')
    for program in ("docker", "cosign"):
        (tmp_path / program).chmod(0o755)
    script = step("image", "join and sign").replace("${{ matrix.name }}", name)
    run_step(script, tmp_path, OWNER="Some-Team", PATH=f"{tmp_path}:{os.environ['PATH']}")
    image = f"ghcr.io/some-team/speech-emotion/{name}"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"buildx imagetools create -t {image}:1.2.3 {image}:1.2.3-amd64 {image}:1.2.3-arm64",
        f"sign --yes --recursive {image}@sha256:0",
    ]


def test_a_release_pushes_a_chart_that_names_its_own_images(tmp_path: Path) -> None:
    for program in ("helm", "yq", "cosign"):
        (tmp_path / program).write_text(
            f'#!/bin/sh\ncat > /dev/null\necho "{program} $* $REGISTRY_OF_IMAGES" >> log\necho Digest: sha256:0\n'
        )
        (tmp_path / program).chmod(0o755)
    variables = {"OWNER": "Some-Team", "TOKEN": "t", "GITHUB_ACTOR": "a", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run_step(step("chart", "push and sign"), tmp_path, **variables)
    log = (tmp_path / "log").read_text()
    registries = ".gateway.image.registry, .retraining.image.registry, .modelServer.builtinImage.registry"
    assert f"({registries}) = strenv(REGISTRY_OF_IMAGES)" in log
    assert "helm/speech-emotion/values.yaml ghcr.io/some-team\n" in log
    assert "helm package helm/speech-emotion --version 1.2.3 --app-version 1.2.3" in log
    assert re.search(r"helm push .* oci://ghcr.io/some-team/charts ", log)
    assert "cosign sign --yes ghcr.io/some-team/charts/speech-emotion@sha256:0" in log
    assert f"helm install speech oci://{ACCOUNT}/charts/speech-emotion " in GUIDE
    assert f"oci://{ACCOUNT}/charts/speech-emotion " in (CHART / "README.md").read_text()


@pytest.mark.parametrize(
    ("machine", "engine", "loaded"),
    [("x86_64", "tensorflow-serving", ["gateway"]), ("aarch64", "builtin", ["gateway", "model_server"])],
)
def test_kind_takes_the_model_server_that_the_machine_has(
    machine: str, engine: str, loaded: list[str], tmp_path: Path
) -> None:
    (tmp_path / "uname").write_text(f"#!/bin/sh\necho {machine}\n")
    (tmp_path / "uname").chmod(0o755)
    printed = make("-n", "kind", PATH=f"{tmp_path}:{os.environ['PATH']}").stdout
    assert f"--set modelServer.engine={engine} " in printed
    names = re.search(r"for name in ([^;]*); do kind load", printed)
    assert names
    assert names[1].split() == loaded


def test_compose_takes_the_official_image_that_the_chart_names_or_our_own() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["model-server"]
    assert service["build"] == {"context": ".", "dockerfile": "Dockerfile.model_server", "target": "by-machine"}
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", (ROOT / "Dockerfile.model_server").read_text(), re.MULTILINE)
    image = container(render(), "-model-server")["image"]
    assert {(image, "by-machine-amd64"), ("builtin", "by-machine-arm64")} < set(stages)
    assert ("by-machine-${TARGETARCH}", "by-machine") in stages
    assert stages[-1] == ("builtin", ""), "what is built without a target"


def test_one_setting_says_where_a_release_goes() -> None:
    assert WORKFLOW["env"] == {"REGISTRY": "ghcr.io", "OWNER": "${{ vars.OWNER || github.repository_owner }}"}
    scripts = "\n".join(each.get("run", "") for job in WORKFLOW["jobs"].values() for each in job["steps"])
    assert "GITHUB_REPOSITORY" not in scripts
    assert "`OWNER`" in GUIDE


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_the_tiltfile_builds_and_forwards_what_the_chart_installs(machine: str) -> None:
    """Starlark is close to Python: the file runs as such, with Tilt's functions in its place and a real helm."""
    built: dict[str, dict[str, Any]] = {}
    installed: list[dict[str, Any]] = []
    forwarded: dict[str, dict[str, Any]] = {}

    def helm(chart: str, name: str, namespace: str, set: list[str]) -> list[dict[str, Any]]:
        command = [binary(), "template", name, chart, "--namespace", namespace, "--kube-version", "1.34.0"]
        command += [word for each in set for word in ("--set", each)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    functions: dict[str, Callable[..., Any]] = {
        "str": str,
        "local": lambda _command, **_options: f"{machine}\n",
        "docker_build": lambda name, context, **options: built.update({name: {"context": context, **options}}),
        "helm": helm,
        "k8s_yaml": installed.extend,
        "k8s_resource": lambda name, **options: forwarded.update({name: options}),
    }
    exec(compile((ROOT / "Tiltfile").read_text(), "Tiltfile", "exec"), {"__builtins__": {}, **functions})
    assert {image.partition(":")[0] for image in images(installed)} == set(built)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for options in built.values():
        assert (ROOT / options["dockerfile"]).is_file()
        assert set(options["only"]) == allowed
    deployments = {each["metadata"]["name"] for each in installed if each["kind"] == "Deployment"}
    assert set(forwarded) == deployments
