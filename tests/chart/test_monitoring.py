"""What monitoring gets: scrape targets, alerts that fire when they should, a dashboard of metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.store.exposition import CopyMetrics
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.follow import Follower
from speech_emotion.store.sync import Copy
from tests.chart.helm import CHART, NAME, ROOT, kinds, one, render

BUCKET = ("modelStore.type=bucket", "modelStore.bucket.url=s3://models")
RULES = ("monitoring.prometheusRule.enabled=true", *BUCKET)
JOB = f'job="{NAME}-gateway-metrics",namespace="n"'
STEADY = "0+60x120"  # one a second


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{name}{{{JOB}{',' if labels else ''}{labels}}}", "values": values}


def requests_with(status: str, values: str, route: str = "/predict") -> dict[str, str]:
    return series("speech_emotion_requests_total", f'route="{route}",status="{status}"', values)


def shed(values: str, reason: str = "queue_full", route: str = "/predict") -> dict[str, str]:
    return series("speech_emotion_shed_requests_total", f'reason="{reason}",route="{route}"', values)


COPY = f'job="{NAME}-model-server",namespace="n",endpoint="store"'
SYNCED = "speech_emotion_store_synced_timestamp_seconds"
FOLLOWING = [
    {"series": f"up{{{COPY}}}", "values": "1x120"},
    {"series": f'{SYNCED}{{{COPY},pod="a"}}', "values": "0+60x120"},
]
"""A copy that is equal to its bucket at each scrape: the tests' clock begins at 0."""
HEALTHY = [
    *FOLLOWING,
    series("up", "", "1x120"),
    requests_with("200", STEADY),
    requests_with("500", "0x120"),
    shed("0x120"),
    series("speech_emotion_version_broken", 'model="m",version="3"', "0x120"),
]
MANY = "0+6x120"  # a tenth of STEADY


def known_metrics() -> set[str]:
    """Every series name of the gateway's registry, and of a bucket's copy."""
    names = {"up"}
    copy = Copy(Path("nowhere"))
    follower = Follower(lambda: FolderStore(Path("nowhere")), copy, say=print, complain=print)
    for family in [*Metrics().registry.collect(), *CopyMetrics(follower, copy).collect()]:
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:speech_emotion_\w+|up)(?=\{)", expression))


@pytest.mark.parametrize(
    ("alert", "at", "input_series"),
    [
        ("SpeechEmotionDown", "5m", [series("up", "", "0x120")]),
        ("SpeechEmotionErrors", "15m", [requests_with("200", STEADY), requests_with("500", MANY), shed("0x120")]),
        ("SpeechEmotionErrors", "15m", [requests_with("200", STEADY), requests_with("503", MANY), shed("0x120")]),
        ("SpeechEmotionErrors", "15m", [requests_with("503", "0+12x120"), shed(MANY)]),
        (
            "SpeechEmotionErrors",
            "15m",
            [requests_with("503", MANY), shed("0x120"), shed(STEADY, "model_server", "/v1/recordings")],
        ),
        (
            "SpeechEmotionOverloaded",
            "15m",
            [requests_with("200", STEADY, "/v1/recordings"), shed(MANY, "recordings", "/v1/recordings")],
        ),
        (
            "SpeechEmotionOverloaded",
            "15m",
            [requests_with("101", STEADY, "/v1/models/<name>/stream"), shed(MANY, "streams", "/v1/stream")],
        ),
        (
            "SpeechEmotionErrors",
            "15m",
            [requests_with("200", STEADY), requests_with("500", MANY, "/v1/models/<name>/predict"), shed("0x120")],
        ),
        ("SpeechEmotionOverloaded", "15m", [requests_with("200", STEADY), requests_with("503", MANY), shed(MANY)]),
        (
            "SpeechEmotionSlow",
            "20m",
            [
                series("speech_emotion_request_duration_seconds_bucket", f'route="/predict",le="{le}"', values)
                for le, values in (("2", "0+30x120"), ("5", STEADY), ("+Inf", STEADY))
            ],
        ),
        (
            "SpeechEmotionStreamsLate",
            "20m",
            [
                series("speech_emotion_stream_windows_late_total", "", MANY),
                series("speech_emotion_stream_lag_seconds_count", "", STEADY),
            ],
        ),
        (
            "SpeechEmotionVersionBroken",
            "5m",
            [series("speech_emotion_version_broken", 'model="m",version="3"', "0 1 0 0 0 0")],
        ),
        ("SpeechEmotionStoreStale", "15m", [{"series": f'{SYNCED}{{{COPY},pod="a"}}', "values": "0x120"}]),
        (
            "SpeechEmotionStoreStale",
            "60m",
            [*FOLLOWING, {"series": f'{SYNCED}{{{COPY},pod="b"}}', "values": "0+60x40 2400x80"}],
        ),
        ("SpeechEmotionStoreStale", "15m", [{"series": f"up{{{COPY}}}", "values": "0x120"}]),
        (
            "SpeechEmotionUnsure",
            "119m",
            [
                series("speech_emotion_confidence_ratio_sum", 'model="m"', "0+12x120"),
                series("speech_emotion_confidence_ratio_count", 'model="m"', STEADY),
                series("speech_emotion_confidence_ratio_sum", 'model="sure"', "0+58x120"),
                series("speech_emotion_confidence_ratio_count", 'model="sure"', STEADY),
            ],
        ),
    ],
)
def test_alerts_fire_and_rest(alert: str, at: str, input_series: list[dict[str, str]], tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    rules = one(render(*RULES), "PrometheusRule")["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    (rule,) = (rule for rule in rules["groups"][0]["rules"] if rule["alert"] == alert)
    firing = {"alertname": alert, "eval_time": at}
    tests = [
        {"interval": "1m", "input_series": given, "promql_expr_test": [expected]}
        for given, expected in (
            (input_series, firing_count(firing, 1)),
            (HEALTHY, firing_count(firing, 0)),
        )
    ]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert rule["annotations"]["runbook_url"].endswith(f"#{alert.lower()}")


@pytest.mark.parametrize(
    ("alert", "given"),
    [
        ("SpeechEmotionErrors", [requests_with("200", STEADY), requests_with("503", STEADY), shed(STEADY)]),
        (
            "SpeechEmotionErrors",
            [requests_with("503", STEADY), *(shed("0+30x120", reason) for reason in ("memory", "model_server"))],
        ),
        ("SpeechEmotionOverloaded", [requests_with("200", STEADY), requests_with("503", STEADY), shed("0x120")]),
    ],
    ids=["overload is no error", "overload of any kind is no error", "servers that are away are no overload"],
)
def test_one_cause_has_one_alert(alert: str, given: list[dict[str, str]], tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(one(render(*RULES), "PrometheusRule")["spec"]))
    expected = firing_count({"alertname": alert, "eval_time": "60m"}, 0)
    tests = [{"interval": "1m", "input_series": given, "promql_expr_test": [expected]}]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def firing_count(alert: dict[str, str], count: int) -> dict[str, object]:
    expression = f'count(ALERTS{{alertname="{alert["alertname"]}",alertstate="firing"}})'
    samples = [{"labels": "{}", "value": count}] if count else []
    return {"expr": expression, "eval_time": alert["eval_time"], "exp_samples": samples}


def test_alerts_ask_for_metrics_that_exist_and_link_to_a_runbook() -> None:
    headings = (ROOT / "docs" / "operations.md").read_text().lower()
    for rule in one(render(*RULES), "PrometheusRule")["spec"]["groups"][0]["rules"]:
        assert metrics_in(rule["expr"])
        assert metrics_in(rule["expr"]) <= known_metrics()
        assert f"# {rule['alert'].lower()}\n" in headings


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    config = one(render("monitoring.dashboard.enabled=true"), "ConfigMap", "-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(config["data"]["speech-emotion.json"])
    assert dashboard == json.loads((CHART / "dashboards" / "speech-emotion.json").read_text())
    asked = {
        name for panel in dashboard["panels"] for target in panel["targets"] for name in metrics_in(target["expr"])
    }
    assert asked
    assert asked <= known_metrics()


def test_a_service_monitor_finds_its_services() -> None:
    assert "ServiceMonitor" not in kinds(render())
    manifests = render("monitoring.serviceMonitor.enabled=true", "modelServer.metrics.enabled=true")
    for component, service in (("gateway", "-gateway-metrics"), ("model-server", "-model-server")):
        monitor = one(manifests, "ServiceMonitor", component)["spec"]
        found = one(manifests, "Service", service)
        assert monitor["selector"]["matchLabels"].items() <= found["metadata"]["labels"].items()
        assert monitor["endpoints"][0]["port"] in [port["name"] for port in found["spec"]["ports"]]
