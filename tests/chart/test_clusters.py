"""What clusters differ in: user ids that they choose, families of addresses, limits of CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CHART, container, one, pod_specs, refusal, render, render_reused

EVERY_POD = ("modelStore.type=pvc", "retraining.job.enabled=true", "retraining.cronJob.enabled=true")
EVERY_POD += ("retraining.data.existingClaim=c", "modelServer.tls.enabled=true", "modelServer.tls.secretName=s")
PARTS = ("gateway", "modelServer", "retraining")


def test_no_pod_names_an_id_where_the_cluster_chooses_them() -> None:
    """OpenShift's `restricted-v2` refuses pods with another user or group than its own."""
    specs = pod_specs(render(*EVERY_POD, values=CHART / "ci" / "openshift-values.yaml"))
    assert len(specs) == 5
    for spec in specs:
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for each in (*spec["containers"], *spec.get("initContainers", ())):
            assert each["securityContext"]["readOnlyRootFilesystem"]
            assert not {"runAsUser", "runAsGroup"} & each["securityContext"].keys()


def test_both_security_contexts_of_every_pod_are_values() -> None:
    pod = [f"{part}.podSecurityContext.runAsUser=1000680000" for part in PARTS]
    own = [f"{part}.securityContext.runAsGroup=0" for part in PARTS]
    for spec in pod_specs(render(*EVERY_POD, *pod, *own)):
        assert spec["securityContext"]["runAsUser"] == 1_000_680_000
        for each in (*spec["containers"], *spec.get("initContainers", ())):
            assert each["securityContext"]["runAsGroup"] == 0


@pytest.mark.parametrize("given", ["null", "{runAsUser: null, fsGroup: null, supplementalGroups: null}"])
def test_null_takes_a_field_away_or_all_of_them(given: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"gateway: {{podSecurityContext: {given}}}\n")
    spec = one(render(values=file), "Deployment", "-gateway")["spec"]["template"]["spec"]
    left = {"runAsNonRoot", "runAsGroup", "fsGroupChangePolicy", "seccompProfile"} if "{" in given else set()
    assert set(spec["securityContext"]) == left


def test_a_field_that_was_taken_away_stays_away_when_values_are_reused(tmp_path: Path) -> None:
    """Helm keeps values without the fields that are null; a newer chart must not put them back."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    values["valuesOf"] = "0.0.1"
    del values["gateway"]["podSecurityContext"]["runAsUser"]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    spec = one(render_reused(tmp_path / "values.yaml"), "Deployment", "-gateway")["spec"]["template"]["spec"]
    assert "runAsUser" not in spec["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"]


def test_every_service_has_the_families_of_the_values() -> None:
    on = "monitoring.serviceMonitor.enabled=true"
    families = ("service.ipFamilyPolicy=RequireDualStack", "service.ipFamilies={IPv6,IPv4}")
    for sets, found in (
        ((), (None, None)),
        (("service.ipFamilyPolicy=PreferDualStack",), ("PreferDualStack", None)),
        (families, ("RequireDualStack", ["IPv6", "IPv4"])),
    ):
        services = [each["spec"] for each in render(on, *sets) if each["kind"] == "Service"]
        assert [(each.get("ipFamilyPolicy"), each.get("ipFamilies")) for each in services] == [found] * 3
    assert "service.ipFamilies" in refusal("service.ipFamilies={IPv5}").replace("/", ".")


def test_the_gateway_listens_on_both_families() -> None:
    assert one(render(), "ConfigMap", "-gateway")["data"]["GATEWAY_HOST"] == "::"


@pytest.mark.parametrize(
    ("resources", "threads", "expected"),
    [
        ("{limits: {cpu: 1}, requests: {cpu: 250m}}", 0, "1"),
        ("{limits: {cpu: 1500m}}", 0, "2"),
        ("{limits: {cpu: '4'}, requests: {cpu: 2}}", 0, "4"),
        ("{limits: {cpu: 0.5}}", 0, "1"),
        ("{limits: {cpu: null}, requests: {cpu: 3500m}}", 0, "4"),
        ("{limits: {cpu: 8}}", 2, "2"),
        ("{requests: {cpu: null}}", 3, "3"),
        ("{requests: {cpu: null}}", 0, None),
        ("null", 0, None),
    ],
)
@pytest.mark.parametrize("engine", ["tensorflow-serving", "builtin"])
def test_a_model_server_computes_on_as_many_threads_as_it_may_use_cores(
    engine: str, resources: str, threads: int, expected: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"modelServer: {{engine: {engine}, threads: {threads}, resources: {resources}}}\n")
    args = container(render(values=file), "-model-server")["args"]
    found = [each.partition("=") for each in args if "parallelism" in each]
    names = ("--tensorflow_intra_op_parallelism", "--tensorflow_inter_op_parallelism")
    assert [(name, value) for name, _, value in found] == [(name, expected) for name in names if expected]


def test_flags_of_an_older_release_s_values_take_the_place_of_threads() -> None:
    flag = "--tensorflow_session_parallelism=2"
    args = container(render(f"modelServer.extraArgs[0]={flag}", "modelServer.threads=3"), "-model-server")["args"]
    assert [each for each in args if "parallelism" in each] == [flag]
