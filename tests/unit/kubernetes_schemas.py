"""JSON schemas of the objects that Kubernetes itself does not define, written from their documentation.

They have the fields that deploy/kubernetes uses, and no others, so that a misspelt name is found.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _constant(value: str) -> Schema:
    return {"const": value}


_TEXT: Schema = {"type": "string", "minLength": 1}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_QUANTITY: Schema = {"type": "string", "pattern": r"^[0-9]+m?$"}
_LABELS: Schema = {"type": "object", "additionalProperties": _TEXT, "minProperties": 1}
_METADATA = _object({"name": _TEXT, "namespace": _TEXT}, {"labels": _LABELS})

_POLICY = _object({"type": {"enum": ["Pods", "Percent"]}, "value": _COUNT, "periodSeconds": _COUNT})
_SCALING = _object({"stabilizationWindowSeconds": _COUNT}, {"policies": _array(_POLICY)})
_BEHAVIOUR = _object({}, {"scaleUp": _SCALING, "scaleDown": _SCALING})
# The values of a trigger's metadata are text, numbers included.
_PROMETHEUS = _object(
    {
        "type": _constant("prometheus"),
        "metadata": _object(
            {
                "serverAddress": {"type": "string", "pattern": "^https?://"},
                "query": _TEXT,
                "threshold": _QUANTITY,
            }
        ),
    }
)
_CPU = _object(
    {
        "type": _constant("cpu"),
        "metricType": {"enum": ["Utilization", "AverageValue"]},
        "metadata": _object({"value": _QUANTITY}),
    }
)
_SCALED_OBJECT = _object(
    {
        "scaleTargetRef": _object({"name": _TEXT}, {"apiVersion": _TEXT, "kind": _TEXT}),
        "triggers": _array({"oneOf": [_PROMETHEUS, _CPU]}),
    },
    {
        "minReplicaCount": _COUNT,
        "maxReplicaCount": _COUNT,
        "pollingInterval": _COUNT,
        "advanced": _object({"horizontalPodAutoscalerConfig": _object({"behavior": _BEHAVIOUR})}),
    },
)
_POD_MONITOR = _object(
    {
        "selector": _object({"matchLabels": _LABELS}),
        "podMetricsEndpoints": _array(
            _object({"port": _TEXT}, {"path": _TEXT, "interval": {"type": "string", "pattern": "^[0-9]+s$"}})
        ),
    }
)

SCHEMAS: dict[str, Schema] = {
    "ScaledObject": _object(
        {
            "apiVersion": _constant("keda.sh/v1alpha1"),
            "kind": _constant("ScaledObject"),
            "metadata": _METADATA,
            "spec": _SCALED_OBJECT,
        }
    ),
    "PodMonitor": _object(
        {
            "apiVersion": _constant("monitoring.coreos.com/v1"),
            "kind": _constant("PodMonitor"),
            "metadata": _METADATA,
            "spec": _POD_MONITOR,
        }
    ),
}
"""By kind."""
