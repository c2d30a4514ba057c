"""Ways in: Service, Ingress, HTTPRoute; and what NetworkPolicies let through."""

from __future__ import annotations

from tests.chart.helm import NAME, kinds, one, render

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
