"""The fixed words of the API: group, versions, and the keys and names that users' tools rely on."""

from collections.abc import Mapping
from typing import Final

GROUP: Final = "machinelearning.seldon.io"
VERSIONS: Final = ("v1", "v1alpha2", "v1alpha3")
STORAGE_VERSION: Final = "v1"
API_VERSIONS: Final = tuple(f"{GROUP}/{version}" for version in VERSIONS)
KIND: Final = "SeldonDeployment"
LIST_KIND: Final = "SeldonDeploymentList"
PLURAL: Final = "seldondeployments"
SINGULAR: Final = "seldondeployment"
SHORT_NAME: Final = "sdep"
CATEGORY: Final = "seldon"

PROTOCOLS: Final = ("seldon", "tensorflow", "kfserving", "v2")
TRANSPORTS: Final = ("rest", "grpc")
SERVER_TYPES: Final = ("rpc", "kafka")
# The older name of v2, and v2.
V2_PROTOCOLS: Final = frozenset({"kfserving", "v2"})
DEFAULT_PROTOCOL: Final = "seldon"
DEFAULT_TRANSPORT: Final = "rest"
DEFAULT_SERVER_TYPE: Final = "rpc"

MODEL: Final = "MODEL"
ROUTER: Final = "ROUTER"
COMBINER: Final = "COMBINER"
TRANSFORMER: Final = "TRANSFORMER"
OUTPUT_TRANSFORMER: Final = "OUTPUT_TRANSFORMER"
UNKNOWN_TYPE: Final = "UNKNOWN_TYPE"
NODE_TYPES: Final = (UNKNOWN_TYPE, ROUTER, COMBINER, MODEL, TRANSFORMER, OUTPUT_TRANSFORMER)
METHODS: Final = ("TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "ROUTE", "AGGREGATE", "SEND_FEEDBACK")
UNKNOWN_IMPLEMENTATION: Final = "UNKNOWN_IMPLEMENTATION"
# Implementation -> the type of node that it is. Any other implementation names a prepackaged server, a MODEL.
BUILT_IN_TYPES: Final = {
    "SIMPLE_MODEL": MODEL,
    "SIMPLE_ROUTER": ROUTER,
    "RANDOM_ABTEST": ROUTER,
    "AVERAGE_COMBINER": COMBINER,
}
# They read and write seldon messages and no others.
BUILT_IN_OF_SELDON: Final = ("SIMPLE_MODEL", "AVERAGE_COMBINER")
ENDPOINT_TYPES: Final = ("REST", "GRPC")
# Implementation -> the protocols that its server speaks where the operator configures no others.
PREPACKAGED_SERVERS: Final[Mapping[str, frozenset[str]]] = {
    "SKLEARN_SERVER": frozenset({"seldon", "v2"}),
    "XGBOOST_SERVER": frozenset({"seldon", "v2"}),
    "MLFLOW_SERVER": frozenset({"seldon", "v2"}),
    "TENSORFLOW_SERVER": frozenset({"seldon", "tensorflow"}),
    "TRITON_SERVER": frozenset({"v2"}),
    "HUGGINGFACE_SERVER": frozenset({"v2"}),
    "TEMPO_SERVER": frozenset({"v2"}),
}
# Its model may be named by parameters alone.
SERVER_WITHOUT_URI: Final = "HUGGINGFACE_SERVER"
# Marks, within one plan, a predictor whose engine is beside its component on its way from one place to another.
FIELD_ENGINE_BESIDE: Final = "engineBeside"
# What the engine takes its messages from where they come from Kafka.
KAFKA_VARIABLES: Final = ("KAFKA_BROKER", "KAFKA_INPUT_TOPIC", "KAFKA_OUTPUT_TOPIC")

# Containers that the controller adds to a pod; a user's container cannot have their names.
ENGINE_CONTAINER_NAME: Final = "seldon-container-engine"
TFSERVING_CONTAINER_NAME: Final = "tfserving"
# What the engine listens on by default: HTTP, gRPC and metrics.
ENGINE_PORTS: Final = (8000, 5001, 5002)
PODINFO_VOLUME: Final = "seldon-podinfo"
PODINFO_PATH: Final = "/etc/podinfo"

LABEL_SELDON_ID: Final = "seldon-deployment-id"
LABEL_SELDON_APP: Final = "seldon-app"
LABEL_CONTAINER_SERVICE_PREFIX: Final = "seldon-app-svc-"
LABEL_CONTAINS_ENGINE: Final = "seldon-deployment-contains-svcorch"
LABEL_APP: Final = "app"
LABEL_FLUENTD: Final = "fluentd"
LABEL_VERSION: Final = "version"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "seldon-core"
LABEL_SHADOW: Final = "seldon.io/shadow"
LABEL_EXPLAINER: Final = "seldon.io/explainer"
# Type of a graph node -> label on the pods that hold it.
ROLE_LABELS: Final = {
    ROUTER: "seldon.io/router",
    COMBINER: "seldon.io/combiner",
    MODEL: "seldon.io/model",
    TRANSFORMER: "seldon.io/transformer",
    OUTPUT_TRANSFORMER: "seldon.io/output-transformer",
}
LABEL_CONTROLLER_ID: Final = "seldon.io/controller-id"

ANNOTATION_PREFIX: Final = "seldon.io/"
ANNOTATION_SERVICE_NAME: Final = "seldon.io/svc-name"
ANNOTATION_SEPARATE_ENGINE: Final = "seldon.io/engine-separate-pod"
ANNOTATION_NO_STORAGE_INITIALIZER: Final = "seldon.io/no-storage-initializer"
ANNOTATION_NO_ENGINE: Final = "seldon.io/no-engine"
ANNOTATION_HEADLESS_SERVICE: Final = "seldon.io/headless-svc"
# Any change of its value has the pods built as the operator would now.
ANNOTATION_REFRESH: Final = "seldon.io/refresh"
# What the pods of a Deployment were built from and to.
ANNOTATION_BUILT: Final = "seldon.io/built"
ANNOTATION_ENGINE_PREFIX: Final = "seldon.io/engine-"
ANNOTATION_PROMETHEUS_PATH: Final = "prometheus.io/path"
ANNOTATION_PROMETHEUS_SCRAPE: Final = "prometheus.io/scrape"
