"""A pod that looks at a release's model store, and changes it."""

from __future__ import annotations

import yaml

from tests.cluster.kit import CHART, ROOT
from tests.cluster.release import Release

APP_VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]


def store_pod(release: Release) -> None:
    """Start k8s/model-store.yaml for the release, with the gateway's image, which is enough for a store."""
    pod = yaml.safe_load((ROOT / "k8s" / "model-store.yaml").read_text())
    spec = pod["spec"]
    spec["containers"][0]["image"] = f"speech-emotion/gateway:{APP_VERSION}"
    spec["containers"][0]["env"][1]["value"] = f"{release.full_name}-model-server:8500"
    spec["volumes"][0]["persistentVolumeClaim"]["claimName"] = f"{release.full_name}-model-store"
    pod["metadata"]["namespace"] = release.namespace
    release.cluster.apply(yaml.safe_dump(pod))
    release.kubectl("wait", "pod/model-store", "--for=condition=Ready", "--timeout=120s")


def ser(release: Release, *words: str) -> str:
    """Run `ser` in that pod."""
    return release.kubectl("exec", "model-store", "--", "ser", *words)
