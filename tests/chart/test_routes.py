"""Ways in: Service, Ingress, HTTPRoute; and what NetworkPolicies let through."""

from __future__ import annotations

import pytest

from tests.chart.helm import CHART, NAME, Manifest, kinds, one, refusal, render

BACKEND = f"{NAME}-gateway"
ROUTE = ("gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs[0].name=web")


def test_an_ingress_by_default() -> None:
    rule = one(render(), "Ingress")["spec"]["rules"][0]
    assert rule["host"] == "speech.localhost"
    assert rule["http"]["paths"][0]["backend"] == {"service": {"name": BACKEND, "port": {"name": "http"}}}


def test_either_both_or_none() -> None:
    off = "gateway.ingress.enabled=false"
    assert not kinds(render(off)) & {"Ingress", "HTTPRoute"}
    assert kinds(render(off, *ROUTE)) & {"Ingress", "HTTPRoute"} == {"HTTPRoute"}
    assert kinds(render(*ROUTE)) >= {"Ingress", "HTTPRoute"}


def test_a_route_leads_to_the_service_s_own_port() -> None:
    rule = one(render(*ROUTE, "gateway.service.port=8000"), "HTTPRoute")["spec"]["rules"][0]
    assert rule["backendRefs"] == [{"name": BACKEND, "port": 8000}]


def test_tls_at_the_ingress() -> None:
    sets = ("gateway.ingress.tls.enabled=true", "gateway.ingress.tls.secretName=certificate")
    tls = one(render(*sets), "Ingress")["spec"]["tls"]
    assert tls == [{"hosts": ["speech.localhost"], "secretName": "certificate"}]


def test_tls_for_any_host_names_none() -> None:
    """Kubernetes refuses an empty name."""
    tls = one(render("gateway.ingress.tls.enabled=true", "gateway.ingress.host="), "Ingress")["spec"]["tls"]
    assert tls == [{"hosts": []}]


def test_an_ingress_of_several_hosts_paths_and_certificates() -> None:
    ingress = one(render(values=CHART / "ci" / "routes-values.yaml"), "Ingress")["spec"]
    assert ingress["tls"] == [
        {"hosts": ["routes.localhost", "more.routes.localhost"]},
        {"hosts": ["own.routes.localhost"], "secretName": "own-certificate"},
    ]
    prefix = ("/speech", "Prefix")
    assert {rule["host"]: paths(rule) for rule in ingress["rules"]} == {
        "routes.localhost": [prefix],
        "more.routes.localhost": [prefix],
        "own.routes.localhost": [("/speech/predict", "Exact"), ("/speech/v1", "Prefix")],
    }
    backends = [path["backend"] for rule in ingress["rules"] for path in rule["http"]["paths"]]
    assert backends == [{"service": {"name": BACKEND, "port": {"name": "http"}}}] * 4


def paths(rule: Manifest) -> list[tuple[str, str]]:
    return [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]


def test_the_first_host_has_tls_of_its_own_beside_more() -> None:
    more = "gateway.ingress.tls.more[0]"
    sets = ("gateway.ingress.tls.enabled=true", f"{more}.hosts[0]=b.example", f"{more}.secretName=b")
    tls = one(render(*sets), "Ingress")["spec"]["tls"]
    assert tls == [{"hosts": ["speech.localhost"]}, {"hosts": ["b.example"], "secretName": "b"}]


def test_a_route_without_rules_leads_everything_to_the_gateway() -> None:
    assert one(render(*ROUTE), "HTTPRoute")["spec"]["rules"] == [{"backendRefs": [{"name": BACKEND, "port": 80}]}]


def test_rules_of_a_route_lead_to_the_gateway_unless_they_say_where() -> None:
    page, clips, rest = one(render(values=CHART / "ci" / "routes-values.yaml"), "HTTPRoute")["spec"]["rules"]
    assert "backendRefs" not in page  # it redirects
    assert clips["timeouts"] == {"request": "30s", "backendRequest": "20s"}
    assert [filtered["type"] for filtered in rest["filters"]] == ["URLRewrite", "RequestHeaderModifier"]
    assert clips["backendRefs"] == rest["backendRefs"] == [{"name": BACKEND, "port": 80}]
    elsewhere = "gateway.httpRoute.rules[0].backendRefs[0].name=other"
    assert one(render(*ROUTE, elsewhere), "HTTPRoute")["spec"]["rules"] == [{"backendRefs": [{"name": "other"}]}]


def test_the_gateway_is_told_its_path_and_its_proxies() -> None:
    told = one(render(values=CHART / "ci" / "routes-values.yaml"), "ConfigMap", "-gateway")["data"]
    assert told["GATEWAY_BASE_PATH"] == "/speech"
    assert told["GATEWAY_TRUSTED_PROXIES"] == "10.0.0.0/8"


@pytest.mark.parametrize(
    "value",
    [
        "gateway.ingress.paths[0].path=speech",
        "gateway.ingress.paths[0].pathType=Prefix",
        "gateway.ingress.paths=null",
        "gateway.ingress.moreHosts[0].name=b.example",
        "gateway.ingress.paths[0]=/speech",
        "gateway.ingress.tls.more[0].secretName=b",
        "gateway.httpRoute.rules[0].path=/speech",
        "gateway.httpRoute.rules[0].timeouts.reqest=1s",
        "gateway.settings.base_path=speech",
        "gateway.settings.base_path=//evil",
    ],
)
def test_a_route_that_is_misspelt_is_refused(value: str) -> None:
    assert value.partition("=")[0].split(".")[1].partition("[")[0] in refusal(value)


def test_the_probes_port_is_in_no_public_service() -> None:
    ports = one(render(), "Service", "-gateway")["spec"]["ports"]
    assert [port["targetPort"] for port in ports] == ["http"]


def test_model_servers_are_found_one_by_one() -> None:
    assert one(render(), "Service", "-model-server")["spec"]["clusterIP"] == "None"


def test_policies_open_what_is_needed_and_no_more() -> None:
    assert "NetworkPolicy" not in kinds(render())
    manifests = render("networkPolicy.enabled=true", "networkPolicy.ingressNamespaceSelector.matchLabels.in=front")
    gateway = one(manifests, "NetworkPolicy", "-gateway")["spec"]
    assert [rule["ports"] for rule in gateway["ingress"]] == [[{"port": "http"}], [{"port": "probes"}]]
    assert gateway["ingress"][0]["from"][0] == {"namespaceSelector": {"matchLabels": {"in": "front"}}}
    assert [port["port"] for rule in gateway["egress"] for port in rule["ports"]] == [8500, 53, 53]
    server = one(manifests, "NetworkPolicy", "-model-server")["spec"]
    assert [rule["ports"] for rule in server["ingress"]] == [[{"port": "grpc"}]]
    assert server["egress"] == []


def test_helm_test_asks_the_ways_in_that_there_are() -> None:
    assert [m["metadata"]["name"] for m in render() if m["kind"] == "Pod"] == [f"{NAME}-test-service"]
    pods = [m for m in render("tests.ingressUrl=http://traefik") if m["kind"] == "Pod"]
    commands = [pod["spec"]["containers"][0]["command"][3:] for pod in pods]
    assert commands == [["http://traefik", "speech.localhost"], [f"http://{BACKEND}:80"]]
