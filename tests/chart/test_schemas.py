"""Every scenario, alone and with the next, is what Kubernetes' API takes, and the same each time it is rendered."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import SCENARIOS, Manifest, refusal, render, template
from tests.chart.schemas import complaints
from tests.chart.test_common import ALL

PAIRS = [*itertools.pairwise([SCENARIOS[0], *reversed(SCENARIOS)])]


def found(manifests: list[Manifest]) -> list[str]:
    assert manifests
    return [f"{each['kind']} {each['metadata']['name']}: {said}" for each in manifests for said in complaints(each)]


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_is_valid_and_the_same_each_time(values: Path) -> None:
    """No key is written twice either: the last one would count, in silence."""
    first, second = (template(values=values).stdout for _ in range(2))
    assert first == second
    assert found([each for each in yaml.load_all(first, UniqueKeys) if each]) == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "+".join(path.name[:-12] for path in pair))
def test_two_scenarios_at_once_are_valid(pair: tuple[Path, Path]) -> None:
    assert found(render(values=pair)) == []


def test_everything_at_once_is_valid() -> None:
    assert found(render(*ALL)) == []


def test_what_the_api_would_refuse_is_found() -> None:
    manifests = render("gateway.dnsConfig.optoins=1", "gateway.hostAliases[0].ip=192.0.2.1")
    (said, *_) = found(manifests)
    assert said.startswith("Deployment r-speech-emotion-gateway: 1.30")
    assert "optoins" in said


class UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: {keys}"
        return super().construct_mapping(node, deep)


UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, UniqueKeys.construct_mapping)


def test_values_are_refused_that_the_api_would_refuse() -> None:
    assert "set gateway.service.type to NodePort or LoadBalancer" in refusal(
        "gateway.service.externalTrafficPolicy=Local"
    )
    assert "set gateway.service.type=LoadBalancer" in refusal("gateway.service.loadBalancerClass=x")
    nothing = ("gateway.autoscaling.enabled=true", "gateway.autoscaling.targetCPUPercent=0")
    assert "set targetCPUPercent or metrics" in refusal(*nothing)
    assert "additional properties 'periodSecond' not allowed" in refusal("gateway.livenessProbe.periodSecond=3")
