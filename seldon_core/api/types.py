"""The types of a SeldonDeployment, from which the CRD's schema and the checks of shape are made.

An object is plain decoded JSON; these types describe it and are never instantiated. Class docstrings and the text of
each `Field` become the descriptions that `kubectl explain` shows. A key that is not described here is kept as it is.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Required, TypedDict


@dataclass(frozen=True, slots=True)
class Field:
    """What the schema says of a field beside its type.

    Attributes:
        description: What the field means, in words for its user; empty for none.
        example: A value to suggest where a required field is missing or empty.
        minimum: The smallest number allowed.
        maximum: The largest number allowed.
        min_items: The smallest number of items of a list.
        list_map_key: The key by which the items of a list are told apart, and merged by server-side apply.
    """

    description: str
    example: Any = None
    minimum: int | None = None
    maximum: int | None = None
    min_items: int | None = None
    list_map_key: str | None = None


Port = Annotated[int, Field("Ignored: ports are taken from the container.", minimum=0, maximum=65535)]


class Endpoint(TypedDict, total=False):
    """How a graph node is reached. Host and ports are found out by the controller."""

    service_host: Annotated[str, Field("Ignored: set by the controller.")]
    service_port: Port
    httpPort: Port
    grpcPort: Port
    type: Annotated[Literal["REST", "GRPC"], Field("Transport of the node; spec.transport is the better place.")]


class Parameter(TypedDict, total=False):
    """A parameter of a graph node, given to the constructor of the component."""

    name: Required[Annotated[str, Field("Name of the parameter.", example="threshold")]]
    value: Required[Annotated[str, Field("Value of the parameter, always as text.", example="0.5")]]
    type: Required[
        Annotated[Literal["INT", "FLOAT", "DOUBLE", "STRING", "BOOL"], Field("Type of the value.", example="FLOAT")]
    ]


class PredictiveUnit(TypedDict, total=False):
    """A node of the inference graph."""

    name: Required[Annotated[str, Field("Name of the node and of its container.", example="classifier")]]
    type: Annotated[
        Literal["UNKNOWN_TYPE", "ROUTER", "COMBINER", "MODEL", "TRANSFORMER", "OUTPUT_TRANSFORMER"],
        Field("What the node does with a request. Left out, it follows from implementation or methods, else MODEL."),
    ]
    implementation: Annotated[str, Field("Server or built-in component of the node, where it has no container.")]
    endpoint: Annotated[Endpoint, Field("How the node is reached.")]
    parameters: Annotated[list[Parameter], Field("Parameters given to the component.")]
    children: Annotated[
        list["PredictiveUnit"],
        Field("Nodes that receive what this one returns, each with a name of its own.", list_map_key="name"),
    ]


class EnvVar(TypedDict, total=False):
    """An environment variable, with the fields of a Kubernetes container."""

    name: Required[Annotated[str, Field("Name of the variable.", example="LOG_LEVEL")]]
    value: Annotated[str, Field("Value of the variable, always as text.")]


class ContainerPort(TypedDict, total=False):
    """A port of a container."""

    name: Annotated[str, Field("Name of the port.")]
    containerPort: Required[Annotated[int, Field("Number of the port.", example=9000, minimum=1, maximum=65535)]]
    protocol: Annotated[Literal["TCP", "UDP", "SCTP"], Field("Protocol of the port.")]


class VolumeMount(TypedDict, total=False):
    """A volume in the file system of a container."""

    name: Required[Annotated[str, Field("Name of the volume.", example="data")]]
    mountPath: Required[Annotated[str, Field("Where the volume is.", example="/data")]]


class Container(TypedDict, total=False):
    """What the controller reads of a Kubernetes container."""

    name: Required[Annotated[str, Field("Name, which a graph node has too.", example="classifier")]]
    image: Annotated[str, Field("Image.")]
    env: Annotated[list[EnvVar], Field("Environment.")]
    ports: Annotated[list[ContainerPort], Field("Ports.")]
    volumeMounts: Annotated[list[VolumeMount], Field("Volumes.")]


class Pod(TypedDict, total=False):
    """What the controller reads of a Kubernetes PodSpec; the CRD leaves pods open."""

    containers: Required[
        Annotated[
            list[Container],
            Field("Containers.", example=[{"name": "classifier", "image": "example.com/classifier:1.0"}]),
        ]
    ]
    initContainers: Annotated[list[Container], Field("Containers that run before the others.")]


class PodMetadata(TypedDict, total=False):
    """Metadata of the pods of a componentSpec."""

    name: Annotated[str, Field("Last part of the Deployment's name, in place of the names of the containers.")]
    labels: Annotated[dict[str, str], Field("Labels of the Deployment and its pods.")]
    annotations: Annotated[dict[str, str], Field("Annotations of the Deployment and its pods.")]


class SeldonPodSpec(TypedDict, total=False):
    """A pod of the predictor: one Deployment is made of each."""

    metadata: Annotated[PodMetadata, Field("Metadata of the pods.")]
    spec: Annotated[dict[str, Any], Field("The pod, with the fields of a Kubernetes PodSpec.")]
    replicas: Annotated[int, Field("Number of pods; overrides the predictor's.", minimum=0)]


class SvcOrchSpec(TypedDict, total=False):
    """Settings of the engine, the container that runs the inference graph."""

    resources: Annotated[dict[str, Any], Field("Compute resources, with the fields of a Kubernetes container.")]
    env: Annotated[list[EnvVar], Field("Environment, with the fields of a Kubernetes container.")]


class PredictorSpec(TypedDict, total=False):
    """An inference graph and the pods that serve it."""

    name: Required[Annotated[str, Field("Name of the predictor, part of the names of its objects.", example="main")]]
    graph: Required[
        Annotated[
            PredictiveUnit,
            Field("Root of the inference graph.", example={"name": "classifier", "type": "MODEL"}),
        ]
    ]
    componentSpecs: Annotated[list[SeldonPodSpec], Field("Pods with the containers of the graph's nodes.")]
    replicas: Annotated[int, Field("Number of pods of each componentSpec; overrides spec.replicas.", minimum=0)]
    traffic: Annotated[
        int, Field("Share of the requests, in percent; all predictors together have 100.", minimum=0, maximum=100)
    ]
    labels: Annotated[dict[str, str], Field("Labels of the Deployments and pods; version defaults to the name.")]
    annotations: Annotated[dict[str, str], Field("Annotations of the Deployments, pods and Services.")]
    svcOrchSpec: Annotated[SvcOrchSpec, Field("Settings of the engine.")]
    shadow: Annotated[bool, Field("Whether the predictor gets copies of requests and its answers are dropped.")]
    progressDeadlineSeconds: Annotated[
        int, Field("Seconds after which a rollout without progress counts as failed.", minimum=0)
    ]


class SeldonDeploymentSpec(TypedDict, total=False):
    """What to serve, and how."""

    name: Annotated[str, Field("Ignored, as metadata.name is the name; kept for older manifests.")]
    predictors: Required[
        Annotated[
            list[PredictorSpec],
            Field(
                "The predictors; the first one is the main one.",
                example=[{"name": "main", "graph": {"name": "classifier", "type": "MODEL"}}],
                min_items=1,
                list_map_key="name",
            ),
        ]
    ]
    protocol: Annotated[
        Literal["seldon", "tensorflow", "kfserving", "v2"],
        Field("Protocol of requests and responses. Default: seldon."),
    ]
    transport: Annotated[Literal["rest", "grpc"], Field("Transport between engine and components. Default: rest.")]
    serverType: Annotated[Literal["rpc", "kafka"], Field("Where requests come from. Default: rpc.")]
    replicas: Annotated[int, Field("Number of pods of each componentSpec; what kubectl scale changes.", minimum=0)]
    annotations: Annotated[dict[str, str], Field("Settings under seldon.io/, and annotations of the pods.")]


class Address(TypedDict, total=False):
    """Where predictions are served."""

    url: Annotated[str, Field("URL inside the cluster.")]


class DeploymentStatus(TypedDict, total=False):
    """State of a Deployment."""

    replicas: Annotated[int, Field("Number of pods.")]
    availableReplicas: Annotated[int, Field("Number of pods that take requests.")]


class ServiceStatus(TypedDict, total=False):
    """Addresses of a Service."""

    svcName: Annotated[str, Field("Name of the Service.")]
    httpEndpoint: Annotated[str, Field("Host and port for HTTP.")]
    grpcEndpoint: Annotated[str, Field("Host and port for gRPC.")]


class Condition(TypedDict, total=False):
    """An aspect of the state."""

    type: Required[Annotated[str, Field("What the condition is about.")]]
    status: Required[Annotated[Literal["True", "False", "Unknown"], Field("Whether it holds.")]]
    reason: Annotated[str, Field("Cause, in one word.")]
    message: Annotated[str, Field("Cause, in plain words.")]
    lastTransitionTime: Annotated[str, Field("When the status last changed.")]
    observedGeneration: Annotated[int, Field("Generation of the spec that the condition is about.")]


class SeldonDeploymentStatus(TypedDict, total=False):
    """What is served at present, written by the controller."""

    state: Annotated[Literal["Available", "Creating", "Failed"], Field("Whether all predictors serve requests.")]
    description: Annotated[str, Field("Why they do not, where they do not.")]
    observedGeneration: Annotated[int, Field("Generation of the spec that the status is about.")]
    predictors: Annotated[int, Field("Number of predictors.")]
    replicas: Annotated[int, Field("Number of pods that follow spec.replicas.")]
    selector: Annotated[str, Field("Label selector of these pods, for autoscalers.")]
    address: Annotated[Address, Field("Where predictions are served.")]
    deploymentStatus: Annotated[dict[str, DeploymentStatus], Field("State of the Deployments, by name.")]
    serviceStatus: Annotated[dict[str, ServiceStatus], Field("Addresses of the Services, by name.")]
    conditions: Annotated[list[Condition], Field("Aspects of the state.", list_map_key="type")]


class SeldonDeployment(TypedDict, total=False):
    """Inference graphs of machine-learning models, served behind one address."""

    apiVersion: Annotated[str, Field("Version of the API.")]
    kind: Annotated[str, Field("SeldonDeployment.")]
    metadata: Annotated[dict[str, object], Field("")]
    spec: Required[Annotated[SeldonDeploymentSpec, Field("What to serve, and how.")]]
    status: Annotated[SeldonDeploymentStatus, Field("What is served at present.")]
