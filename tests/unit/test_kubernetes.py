"""deploy/kubernetes as kustomize builds it: valid objects that fit each other, the image and the settings."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from gateway.server.serve import DRAIN_S
from runtime.settings import read_settings
from tests.unit.kubernetes_schemas import SCHEMAS
from tests.unit.test_imports import CHECKOUT

FOLDER = CHECKOUT / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.37")
SECRETS = {
    "AISLE_DATABASE_URL": "postgresql://aisle:secret@postgres:5432/aisle",
    "AISLE_JWT_KEYS": json.dumps(
        [{"kid": "1", "alg": "HS256", "key": "Zm9yLWRldmVsb3BtZW50LW9ubHktbm90LWEtc2VjcmV0"}]
    ),
    "AISLE_SMTP_URL": "smtps://aisle:secret@mail.example:465",
    "AISLE_ADMIN_PASSWORD": "admin-for-development",
}
"""The entries that docs/deployment.md puts into the Secret."""

JOBS = {"aisle-migrate": ["aisle", "migrate"], "aisle-prune": ["aisle", "prune", "--keep", "90d"]}

Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl, which has kustomize")
    built = subprocess.run([kubectl, "kustomize", str(FOLDER)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return [found for found in yaml.safe_load_all(built.stdout) if found]


def of_kind(objects: list[Object], *kinds: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


@pytest.fixture
def workloads(objects: list[Object]) -> dict[str, Object]:
    scheduled = of_kind(objects, "CronJob")
    return of_kind(objects, "Deployment", "StatefulSet", "Job") | {
        name: one["spec"]["jobTemplate"] for name, one in scheduled.items()
    }


def pod(workload: Object) -> Object:
    found: Object = workload["spec"]["template"]["spec"]
    return found


def labels(workload: Object) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selected(selector: Object, workloads: dict[str, Object]) -> set[str]:
    wanted = selector.get("matchLabels", selector if "matchLabels" not in selector else {})
    return {name for name, one in workloads.items() if wanted.items() <= labels(one).items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(objects: list[Object], version: str) -> None:
    for one in objects:
        if (schema := SCHEMAS.get(one["kind"])) is not None:
            jsonschema.validate(one, schema)
        else:
            kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_refuse_a_misspelt_field(objects: list[Object]) -> None:
    for kind, schema in SCHEMAS.items():
        (one,) = of_kind(objects, kind).values()
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(one | {"spec": one["spec"] | {"maxReplicas": 3}}, schema)


def test_there_is_one_workload_for_each_service(workloads: dict[str, Object]) -> None:
    commands = {name: pod(one)["containers"][0]["command"] for name, one in workloads.items()}
    modules = {command[2] for command in commands.values() if command[:2] == ["python", "-m"]}
    assert modules == {"gateway", "seat_workers", "notifier"}
    assert all(importlib.util.find_spec(f"{module}.__main__") for module in modules)
    assert {name: commands[name] for name in JOBS} == JOBS
    for name, one in workloads.items():
        started_after = [init["command"] for init in pod(one).get("initContainers", [])]
        assert started_after == ([] if name in JOBS else [["aisle", "migrate"]])


def test_pods_have_no_rights_and_write_nothing_but_tmp(workloads: dict[str, Object]) -> None:
    for one in workloads.values():
        spec = pod(one)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_user_of_the_pods_is_the_one_of_the_image(workloads: dict[str, Object]) -> None:
    (user,) = re.findall(r"(?m)^USER (\d+)", (CHECKOUT / "deploy/Dockerfile").read_text())
    assert {pod(one)["securityContext"]["runAsUser"] for one in workloads.values()} == {int(user)}


def test_the_environment_of_each_pod_is_one_it_can_start_with(
    objects: list[Object], workloads: dict[str, Object]
) -> None:
    (config,) = of_kind(objects, "ConfigMap").values()
    for one in workloads.values():
        # The variables of Services would be settings that do not exist.
        assert pod(one)["enableServiceLinks"] is False
        (container,) = pod(one)["containers"]
        sources = [next(iter(source.values()))["name"] for source in container["envFrom"]]
        assert sources == [config["metadata"]["name"], "aisle-secrets"]
        own = {each["name"]: "seat-worker-0" for each in container.get("env", [])}
        settings = read_settings(config["data"] | SECRETS | own | {"AISLE_HOST": "0.0.0.0"})
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        assert ports.items() <= {"http": settings.port, "metrics": settings.metrics_port}.items()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["port"] in ports


def test_the_documented_secret_has_these_settings() -> None:
    page = (CHECKOUT / "docs" / "deployment.md").read_text()
    command = page.partition("create secret generic aisle-secrets")[2].partition("```")[0]
    assert set(re.findall(r"--from-literal=(AISLE_\w+)=", command)) == SECRETS.keys()


def test_nothing_is_pruned_before_the_operator_says_so(objects: list[Object]) -> None:
    (scheduled,) = of_kind(objects, "CronJob").values()
    assert scheduled["spec"]["suspend"] is True


def test_seat_workers_are_static_members_and_no_more_than_partitions(
    objects: list[Object], workloads: dict[str, Object]
) -> None:
    (container,) = pod(workloads["seat-worker"])["containers"]
    (variable,) = container["env"]
    assert variable == {
        "name": "AISLE_GROUP_INSTANCE",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    }
    (config,) = of_kind(objects, "ConfigMap").values()
    (scaled,) = of_kind(objects, "ScaledObject").values()
    assert scaled["spec"]["maxReplicaCount"] == int(config["data"]["AISLE_PARTITIONS"])
    assert {trigger["type"] for trigger in scaled["spec"]["triggers"]} == {"prometheus", "cpu"}


def test_what_is_scaled_exists_and_has_no_number_of_its_own(
    objects: list[Object], workloads: dict[str, Object]
) -> None:
    scalers = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject").values()
    targets = [scaler["spec"]["scaleTargetRef"] for scaler in scalers]
    assert {target["name"] for target in targets} == {"aisle-gateways", "seat-worker"}
    for target in targets:
        one = workloads[target["name"]]
        assert (one["kind"], one["apiVersion"]) == (target["kind"], target["apiVersion"])
        assert "replicas" not in one["spec"]


def test_a_pod_has_longer_to_stop_than_it_drains(workloads: dict[str, Object]) -> None:
    for name, one in workloads.items():
        if name not in JOBS:
            assert pod(one)["terminationGracePeriodSeconds"] > 5 + DRAIN_S


def test_selectors_select_pods(objects: list[Object], workloads: dict[str, Object]) -> None:
    services = workloads.keys() - JOBS.keys()
    budgets = of_kind(objects, "PodDisruptionBudget").values()
    assert set().union(*(selected(one["spec"]["selector"], workloads) for one in budgets)) == services
    for service in of_kind(objects, "Service").values():
        (name,) = selected(service["spec"]["selector"], workloads)
        ports = {port["name"] for port in pod(workloads[name])["containers"][0]["ports"]}
        assert {port.get("targetPort", port["name"]) for port in service["spec"]["ports"]} <= ports
    (monitor,) = of_kind(objects, "PodMonitor").values()
    assert services <= selected(monitor["spec"]["selector"], workloads)
    stateful = workloads["seat-worker"]
    assert stateful["spec"]["serviceName"] in of_kind(objects, "Service")


def test_nothing_is_allowed_but_what_services_need(
    objects: list[Object], workloads: dict[str, Object]
) -> None:
    policies = [one["spec"] for one in of_kind(objects, "NetworkPolicy").values()]
    denied = [one for one in policies if one["podSelector"] == {}]
    assert [one.keys() - {"podSelector", "policyTypes"} for one in denied] == [set()]
    for name, one in workloads.items():
        applied = [policy for policy in policies if selected(policy["podSelector"], {name: one}) == {name}]
        out = {
            port["port"] for policy in applied for rule in policy.get("egress", []) for port in rule["ports"]
        }
        entry = {
            port["port"] for policy in applied for rule in policy.get("ingress", []) for port in rule["ports"]
        }
        assert out >= {53, 5432, 6379, 9092}
        assert (587 in out) == (name == "notifier")
        assert ("http" in entry) == (name == "aisle-gateways")


def test_the_measured_lag_is_a_metric_of_seat_workers(objects: list[Object]) -> None:
    (scaled,) = of_kind(objects, "ScaledObject").values()
    (query,) = [one["metadata"]["query"] for one in scaled["spec"]["triggers"] if one["type"] == "prometheus"]
    (metric,) = re.findall(r"aisle_\w+", query)
    assert f'"{metric}"' in (CHECKOUT / "seat_workers" / "metrics.py").read_text()


def test_every_file_of_the_folder_is_used() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    used = {*kustomization["resources"], *(patch["path"] for patch in kustomization["patches"])}
    used |= {name for one in kustomization["configMapGenerator"] for name in one["envs"]}
    assert used | {"kustomization.yaml"} == set(os.listdir(FOLDER))
