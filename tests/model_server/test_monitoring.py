"""Prometheus' page has the real server's names, labels and counts; both servers get the same calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from model_server.errors import ServingError
from model_server.monitoring import DEFAULT_PATH, prometheus_path
from speech_emotion.protos import prediction_log_pb2
from tests.model_server.calls import FEATURES, LABELS, code_of, request
from tests.support import savedmodels
from tests.support.model_server import ModelServer

PREFIX = ":tensorflow:serving:"
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def server(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server of `m`, version 1 warmed up by two requests; monitored, with batching, after CALLS."""
    folder = tmp_path_factory.mktemp("monitored")
    path = savedmodels.write_linear(folder / "m" / "1", "{}", LABELS, seed=1)
    savedmodels.write_warmup(path, [warm_up().SerializeToString()] * 2)
    (folder / "monitoring").write_text("prometheus_config { enable: true }")
    (folder / "batching").write_text("max_batch_size { value: 4 } allowed_batch_sizes: 2 allowed_batch_sizes: 4")
    flags = (f"--monitoring_config_file={folder / 'monitoring'}", "--enable_batching=true")
    batching = f"--batching_parameters_file={folder / 'batching'}"
    with ModelServer(*flags, batching, base_path=folder / "m", name="m", rest=True, binary=binary) as started:
        call(started)
        yield started


def warm_up() -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request())
    return log


def call(server: ModelServer) -> None:
    """Two good calls and some refused ones by each protocol."""
    for _ in range(2):
        server.predictions.Predict(request(), timeout=60)
    code_of(lambda: server.predictions.Predict(request(name="nope"), timeout=60))
    code_of(lambda: server.predictions.Predict(request(FEATURES[0, 0]), timeout=60))
    url = f"http://127.0.0.1:{server.rest_port}/v1/models"
    for body in ({"instances": FEATURES.tolist()}, {"instances": 1}):
        requests.post(f"{url}/m:predict", json=body, timeout=60)
    requests.post(f"{url}/m/labels/nope:predict", json={"instances": FEATURES.tolist()}, timeout=60)
    for path in ("/m", "/m/metadata", "/nope", "/m/versions/99999999999999999999", "/m/other", ""):
        requests.get(url + path, timeout=60)


def scrape(server: ModelServer) -> Series:
    page = requests.get(f"http://127.0.0.1:{server.rest_port}{DEFAULT_PATH}", timeout=60)
    assert page.headers["Content-Type"] == "text/plain"
    return {
        # The parser appends `_total` to the name of a counter; Prometheus does not.
        (sample.name.removeprefix(PREFIX).removesuffix("_total"), tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
        if sample.name.startswith(PREFIX)
    }


def counts(series: Series, name: str) -> dict[tuple[str, ...], float]:
    return {tuple(text for _, text in labels): value for (found, labels), value in series.items() if found == name}


def test_requests_are_counted_by_model_and_status(server: ModelServer) -> None:
    assert counts(scrape(server), "request_count") == {
        ("", "INVALID_ARGUMENT"): 2,
        ("m", "INVALID_ARGUMENT"): 4,
        ("m", "OK"): 5,
        ("nope", "NOT_FOUND"): 2,
    }


def test_durations_of_good_answers_have_model_method_and_protocol(server: ModelServer) -> None:
    series = scrape(server)
    assert counts(series, "request_latency_count") == {
        ("m", "Predict", "GRPC"): 2,
        ("m", "predict", "REST"): 1,
        ("m", "", "REST"): 2,
    }
    assert 0 < counts(series, "request_latency_sum")["m", "Predict", "GRPC"] < 60e6, "microseconds"
    assert counts(series, "runtime_latency_count") == {("m", "Predict", "TF1"): 5}, "and two of the warm-up"


def test_buckets_have_the_real_bounds(server: ModelServer) -> None:
    bounds = [labels[-1] for name, labels in scrape(server) if name == "request_latency_bucket"][:34]
    assert bounds[:5] == [("le", text) for text in ("10", "18", "32.4", "58.32", "104.976")]
    assert bounds[-2:] == [("le", "1.47476e+09"), ("le", "+Inf")]


def test_warm_ups_are_counted_by_folder(server: ModelServer) -> None:
    series = scrape(server)
    ((path, status),) = counts(series, "model_warmup_records_read")
    assert (Path(path).name, status) == ("1", "OK")
    assert counts(series, "model_warmup_records_read")[path, status] == 2
    assert counts(series, "model_warmup_latency_count") == {(path, "OK"): 1}


def test_batches_are_counted_with_what_fills_them_up(server: ModelServer) -> None:
    series = scrape(server)
    runs = counts(series, "batching_session:wrapped_run_count")[()]
    assert runs == 6, "two of the warm-up, three good ones and one that its graph refused"
    assert counts(series, "batching_session:input_batch_size_sum") == {(): 5 + 4}
    assert counts(series, "batching_session:processed_batch_size_sum") == {(): 5 * 2 + 4}
    assert counts(series, "batching_session:padding_size_sum") == {("2",): 5, ("4",): 0}
    assert counts(series, "batching_session:queuing_latency_count") == {("",): 6}


def test_a_query_is_no_part_of_the_path(server: ModelServer) -> None:
    answer = requests.get(f"http://127.0.0.1:{server.rest_port}{DEFAULT_PATH}?x=1", timeout=60)
    assert (answer.status_code, answer.text) == (400, f"Unexpected path: {DEFAULT_PATH}?x=1. Should be {DEFAULT_PATH}")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("prometheus_config { path: '/x' }", ""),
        ("prometheus_config { enable: true }", DEFAULT_PATH),
        ("prometheus_config: { enable: true, path: '/x' }", "/x"),
    ],
)
def test_only_an_enabled_page_has_a_path(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / "monitoring"
    file.write_text(text)
    assert prometheus_path(file) == path


def test_a_file_that_is_no_monitoring_configuration_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "monitoring"
    file.write_text("prometheus: 1")
    with pytest.raises(ServingError, match=r"Invalid protobuf file: .*monitoring"):
        prometheus_path(file)
