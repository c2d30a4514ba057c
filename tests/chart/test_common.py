"""What reaches every resource or every pod: labels, annotations, registries, pull secrets, accounts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart.helm import APP_VERSION, Manifest, container, one, pod_specs, refusal, render

PARTS = {"gateway": "gateway", "modelServer": "model-server", "retraining": "retraining"}
ALL = (
    *("modelStore.type=pvc", "retraining.data.existingClaim=c", "retraining.job.enabled=true"),
    *("retraining.cronJob.enabled=true", "networkPolicy.enabled=true", "modelServer.metrics.enabled=true"),
    *("gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs[0].name=web"),
    *("gateway.autoscaling.enabled=true", "modelServer.autoscaling.enabled=true"),
    *("modelServer.tls.enabled=true", "modelServer.tls.secretName=s"),
    *(f"{part}.serviceAccount.create=true" for part in PARTS),
    *(f"monitoring.{name}.enabled=true" for name in ("serviceMonitor", "prometheusRule", "dashboard")),
)


def metadata(manifests: list[Manifest]) -> Iterator[Manifest]:
    """That of every resource, and of the pods that it makes."""
    for each in manifests:
        yield each["metadata"]
        match each["kind"]:
            case "Deployment" | "Job":
                yield each["spec"]["template"]["metadata"]
            case "CronJob":
                yield each["spec"]["jobTemplate"]["spec"]["template"]["metadata"]


def test_common_labels_and_annotations_are_on_everything() -> None:
    found = list(metadata(render(*ALL, "commonLabels.team=speech", r"commonAnnotations.example\.org/cost=seven")))
    assert len(found) > 25
    for each in found:
        assert each["labels"]["team"] == "speech", each["name"]
        assert each["annotations"]["example.org/cost"] == "seven", each["name"]


def test_common_labels_are_in_no_selector() -> None:
    def selectors(manifests: list[Manifest]) -> list[object]:
        return [(m["kind"], m["spec"].get("selector"), m["spec"].get("podSelector")) for m in manifests if "spec" in m]

    assert selectors(render(*ALL, "commonLabels.team=speech")) == selectors(render(*ALL))


def test_a_resource_s_own_label_is_stronger_than_a_common_one() -> None:
    manifests = render("commonLabels.tier=all", "gateway.podLabels.tier=front")
    assert one(manifests, "Deployment", "-gateway")["spec"]["template"]["metadata"]["labels"]["tier"] == "front"
    assert one(manifests, "Deployment", "-model-server")["spec"]["template"]["metadata"]["labels"]["tier"] == "all"


@pytest.mark.parametrize("value", ["commonLabels", "gateway.podLabels", "modelServer.podLabels"])
def test_a_label_of_the_chart_s_own_is_refused(value: str) -> None:
    assert "sets the label app.kubernetes.io/name itself" in refusal(rf"{value}.app\.kubernetes\.io/name=x")


def test_labels_are_refused_that_kubernetes_would_refuse() -> None:
    assert "commonLabels" in refusal("commonLabels.team=a b")
    assert "podLabels" in refusal(f"gateway.podLabels.team={'a' * 64}")


def test_changed_labels_of_resources_are_no_reason_to_restart_pods() -> None:
    def checksum(*sets: str) -> object:
        return one(render(*sets), "Deployment", "-gateway")["spec"]["template"]["metadata"]["annotations"]

    assert checksum() == checksum("commonLabels.team=speech")


def test_one_registry_replaces_those_of_all_images() -> None:
    mirror = ("global.imageRegistry=mirror.example:5000/hub", "gateway.image.registry=ghcr.io/owner")
    manifests = render(*ALL, *mirror, "gateway.image.pullPolicy=Always")
    images = {
        each["image"]
        for spec in pod_specs(manifests)
        for each in (*spec.get("initContainers", ()), *spec["containers"])
    }
    assert all(image.startswith("mirror.example:5000/hub/") for image in images)
    assert f"mirror.example:5000/hub/speech-emotion/gateway:{APP_VERSION}" in images
    assert container(manifests, "-model-server")["image"].startswith("mirror.example:5000/hub/tensorflow/serving:")


def test_pull_secrets_of_the_chart_and_of_all_charts_reach_every_pod() -> None:
    secrets = (
        "imagePullSecrets={mine,both}",
        "global.imagePullSecrets[0]=both",
        "global.imagePullSecrets[1].name=site",
    )
    for spec in pod_specs(render(*ALL, *secrets)):
        assert spec["imagePullSecrets"] == [{"name": "both"}, {"name": "site"}, {"name": "mine"}]


def test_global_values_of_other_charts_are_accepted() -> None:
    assert render("global.storageClass=fast")


@pytest.mark.parametrize("part", PARTS)
def test_a_component_has_an_account_of_its_own(part: str) -> None:
    name = f"r-speech-emotion-{PARTS[part]}"
    role = rf"{part}.serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn"
    manifests = render(*ALL, role)
    account = one(manifests, "ServiceAccount", f"-{PARTS[part]}")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn"}
    assert account["automountServiceAccountToken"] is False
    assert pods_of(manifests, PARTS[part]) == {name}
    given = (f"{part}.serviceAccount.name=mine", f"{part}.serviceAccount.create=false")
    assert pods_of(render(*ALL, *given), PARTS[part]) == {"mine"}
    assert pods_of(render(*ALL, f"{part}.serviceAccount.create=false"), PARTS[part]) == {"default"}
    assert f"set {part}.serviceAccount.create=true" in refusal(role)


def containers(spec: Manifest) -> tuple[Manifest, ...]:
    return (*spec.get("initContainers", ()), *spec["containers"])


def pods_of(manifests: list[Manifest], component: str) -> set[str]:
    """The accounts of a component's pods."""
    owners = [m for m in manifests if m["metadata"]["labels"].get("app.kubernetes.io/component") == component]
    return {spec["serviceAccountName"] for spec in pod_specs(owners)}
