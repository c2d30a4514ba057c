"""How many pods there are, and how they are replaced, added and removed."""

from __future__ import annotations

from pathlib import Path

from tests.chart.helm import CHART, Manifest, one, render

BY_REQUESTS = CHART / "ci" / "requests-in-flight-values.yaml"


def autoscaler(*sets: str, values: Path | tuple[Path, ...] = (), component: str = "gateway") -> Manifest:
    enabled = f"{'gateway' if component == 'gateway' else 'modelServer'}.autoscaling.enabled=true"
    spec: Manifest = one(render(enabled, *sets, values=values), "HorizontalPodAutoscaler", f"-{component}")["spec"]
    return spec


def test_an_autoscaler_goes_by_cpu_by_default() -> None:
    (metric,) = autoscaler()["metrics"]
    target = {"type": "Utilization", "averageUtilization": 70}
    assert metric == {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def test_requests_in_flight_can_take_the_place_of_cpu() -> None:
    (metric,) = autoscaler(values=BY_REQUESTS)["metrics"]
    assert metric["pods"]["metric"] == {"name": "speech_emotion_requests_in_progress"}


def test_the_service_s_rate_can_be_looked_at_beside_cpu() -> None:
    types = [metric["type"] for metric in autoscaler(values=BY_REQUESTS, component="model-server")["metrics"]]
    assert types == ["Resource", "Object"]


def test_a_behaviour_replaces_only_what_it_names() -> None:
    plain = autoscaler("gateway.autoscaling.scaleDownAfterSeconds=60")["behavior"]
    given = ("gateway.autoscaling.behavior.scaleDown.stabilizationWindowSeconds=0",)
    changed = autoscaler("gateway.autoscaling.scaleDownAfterSeconds=60", *given)["behavior"]
    assert plain["scaleDown"]["stabilizationWindowSeconds"] == 60
    assert changed == {**plain, "scaleDown": {**plain["scaleDown"], "stabilizationWindowSeconds": 0}}
    (policy,) = autoscaler(values=BY_REQUESTS)["behavior"]["scaleUp"]["policies"]
    assert policy == {"type": "Pods", "value": 4, "periodSeconds": 15}


def test_the_number_of_pods_can_be_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("gateway: {replicas: null}\n")
    manifests = render(values=tmp_path / "values.yaml")
    assert "replicas" not in one(manifests, "Deployment", "-gateway")["spec"]
    assert one(manifests, "Deployment", "-model-server")["spec"]["replicas"] == 2


def test_pods_can_be_replaced_in_other_ways() -> None:
    spec = one(render(), "Deployment", "-gateway")["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    recreate = one(render("gateway.updateStrategy.type=Recreate"), "Deployment", "-gateway")["spec"]
    assert recreate["strategy"] == {"type": "Recreate"}


def test_the_start_of_a_model_server_is_awaited_as_long_at_any_period() -> None:
    def probe(*sets: str) -> Manifest:
        found = one(render(*sets), "Deployment", "-model-server")["spec"]["template"]["spec"]["containers"][0]
        probe: Manifest = found["startupProbe"]
        return probe

    default = probe()
    assert probe("modelServer.startupProbe.periodSeconds=7")["failureThreshold"] * 7 >= default["failureThreshold"] * 2
    assert probe("modelServer.startupProbe.failureThreshold=9")["failureThreshold"] == 9
