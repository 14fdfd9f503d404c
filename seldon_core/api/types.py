"""The types of a SeldonDeployment, from which the CRD's schema and the checks of shape are made.

An object is plain decoded JSON; these types describe it and are never instantiated. Class docstrings and the text of
each `Field` become the descriptions that `kubectl explain` shows. `dict[str, Any]` stands for a type of Kubernetes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NewType, Required, TypedDict


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
        nullable: Whether the API server keeps a null, which some tools write.
    """

    description: str
    example: Any = None
    minimum: int | None = None
    maximum: int | None = None
    min_items: int | None = None
    list_map_key: str | None = None
    nullable: bool | None = None


Int64 = NewType("Int64", int)
IntOrString = int | str


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


class Logger(TypedDict, total=False):
    """Where requests and responses of a graph node are sent, as CloudEvents."""

    url: Annotated[str, Field("Address of the receiver. Default: the one of the operator's configuration.")]
    mode: Required[Annotated[Literal["all", "request", "response"], Field("What is sent.", example="all")]]


class PredictiveUnit(TypedDict, total=False):
    """A node of the inference graph."""

    name: Required[Annotated[str, Field("Name of the node and of its container.", example="classifier")]]
    type: Annotated[
        Literal["UNKNOWN_TYPE", "ROUTER", "COMBINER", "MODEL", "TRANSFORMER", "OUTPUT_TRANSFORMER"],
        Field("What the node does with a request. Left out, it follows from implementation or methods, else MODEL."),
    ]
    implementation: Annotated[
        str,
        Field(
            "Prepackaged server (such as SKLEARN_SERVER) or built-in component (such as RANDOM_ABTEST) that the node "
            "is, in place of a container of the user's."
        ),
    ]
    methods: Annotated[
        list[Literal["TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "ROUTE", "AGGREGATE", "SEND_FEEDBACK"]],
        Field("What is called of the component, where type does not say it."),
    ]
    endpoint: Annotated[Endpoint, Field("How the node is reached.")]
    parameters: Annotated[list[Parameter], Field("Parameters given to the component.")]
    modelUri: Annotated[
        str, Field("Where the model is fetched from, for example gs://bucket/model or pvc://claim/path.")
    ]
    serviceAccountName: Annotated[str, Field("ServiceAccount of the pod, whose Secrets give access to the model.")]
    envSecretRefName: Annotated[str, Field("Secret whose keys are environment variables for fetching the model.")]
    storageInitializerImage: Annotated[
        str, Field("Image that fetches the model, in place of the one of the operator's configuration.")
    ]
    logger: Annotated[Logger, Field("Where requests and responses of the node are sent.")]
    children: Annotated[
        list["PredictiveUnit"],
        Field("Nodes that receive what this one returns, each with a name of its own.", list_map_key="name"),
    ]


class OwnerReference(TypedDict, total=False):
    """An owner, with the fields of Kubernetes."""

    apiVersion: Annotated[str, Field("Version of the owner's API.")]
    kind: Annotated[str, Field("Kind of the owner.")]
    name: Annotated[str, Field("Name of the owner.")]
    uid: Annotated[str, Field("UID of the owner.")]
    controller: Annotated[bool, Field("Whether the owner manages the object.")]
    blockOwnerDeletion: Annotated[bool, Field("Whether the owner waits for the object when it is deleted.")]


class PodMetadata(TypedDict, total=False):
    """Metadata of the pods of a componentSpec: name, labels and annotations count."""

    name: Annotated[str, Field("Last part of the Deployment's name, in place of the names of the containers.")]
    labels: Annotated[dict[str, str], Field("Labels of the Deployment and its pods.")]
    annotations: Annotated[dict[str, str], Field("Annotations of the Deployment and its pods.")]
    generateName: Annotated[str, Field("Ignored.")]
    namespace: Annotated[str, Field("Ignored: pods run in the namespace of the SeldonDeployment.")]
    selfLink: Annotated[str, Field("Ignored.")]
    uid: Annotated[str, Field("Ignored.")]
    resourceVersion: Annotated[str, Field("Ignored.")]
    generation: Annotated[Int64, Field("Ignored.")]
    creationTimestamp: Annotated[datetime, Field("Ignored; tools write it.", nullable=True)]
    deletionTimestamp: Annotated[datetime, Field("Ignored.", nullable=True)]
    deletionGracePeriodSeconds: Annotated[Int64, Field("Ignored.")]
    ownerReferences: Annotated[list[OwnerReference], Field("Ignored.")]
    finalizers: Annotated[list[str], Field("Ignored.")]
    clusterName: Annotated[str, Field("Ignored.")]


class ObjectReference(TypedDict, total=False):
    """The object that a metric is about."""

    kind: Required[Annotated[str, Field("Kind of the object.", example="Service")]]
    name: Required[Annotated[str, Field("Name of the object.", example="main")]]
    apiVersion: Annotated[str, Field("Version of the object's API.")]


Quantity = IntOrString


class ResourceMetric(TypedDict, total=False):
    """CPU or memory of the pods."""

    name: Required[Annotated[str, Field("Name of the resource.", example="cpu")]]
    targetAverageUtilization: Annotated[int, Field("Wanted mean, in percent of what the pods request.")]
    targetAverageValue: Annotated[Quantity, Field("Wanted mean per pod.")]


class ContainerResourceMetric(ResourceMetric, total=False):
    """CPU or memory of one container of each pod."""

    container: Required[Annotated[str, Field("Name of the container.", example="classifier")]]


class PodsMetric(TypedDict, total=False):
    """A metric of the pods."""

    metricName: Required[Annotated[str, Field("Name of the metric.", example="requests_per_second")]]
    targetAverageValue: Required[Annotated[Quantity, Field("Wanted mean per pod.", example="100")]]
    selector: Annotated[dict[str, Any], Field("Selects among metrics of the name, as a Kubernetes LabelSelector.")]


class ObjectMetric(TypedDict, total=False):
    """A metric of another object."""

    target: Required[Annotated[ObjectReference, Field("The object.", example={"kind": "Service", "name": "main"})]]
    metricName: Required[Annotated[str, Field("Name of the metric.", example="requests_per_second")]]
    targetValue: Required[Annotated[Quantity, Field("Wanted value.", example="100")]]
    selector: Annotated[dict[str, Any], Field("Selects among metrics of the name, as a Kubernetes LabelSelector.")]
    averageValue: Annotated[Quantity, Field("Wanted value per pod.")]


class ExternalMetric(TypedDict, total=False):
    """A metric from outside of the cluster."""

    metricName: Required[Annotated[str, Field("Name of the metric.", example="queue_length")]]
    metricSelector: Annotated[
        dict[str, Any], Field("Selects among metrics of the name, as a Kubernetes LabelSelector.")
    ]
    targetValue: Annotated[Quantity, Field("Wanted value.")]
    targetAverageValue: Annotated[Quantity, Field("Wanted value per pod.")]


class OldMetricSpec(TypedDict, total=False):
    """A metric, with the fields of autoscaling/v2beta1."""

    type: Required[
        Annotated[
            Literal["Resource", "ContainerResource", "Pods", "Object", "External"],
            Field("Which of the fields below holds the metric.", example="Resource"),
        ]
    ]
    resource: Annotated[ResourceMetric, Field("CPU or memory of the pods.")]
    containerResource: Annotated[ContainerResourceMetric, Field("CPU or memory of one container of each pod.")]
    pods: Annotated[PodsMetric, Field("A metric of the pods.")]
    object: Annotated[ObjectMetric, Field("A metric of another object.")]
    external: Annotated[ExternalMetric, Field("A metric from outside of the cluster.")]


class SeldonHpaSpec(TypedDict, total=False):
    """A HorizontalPodAutoscaler of the pods."""

    minReplicas: Annotated[int, Field("Least number of pods. Default: 1.", minimum=0)]
    maxReplicas: Required[Annotated[int, Field("Greatest number of pods.", example=3, minimum=1)]]
    metrics: Annotated[
        list[OldMetricSpec], Field("Metrics, with the fields of autoscaling/v2beta1; metricsv2 is the better place.")
    ]
    metricsv2: Annotated[list[dict[str, Any]], Field("Metrics, with the fields of a MetricSpec of autoscaling/v2.")]


class HorizontalPodAutoscalerConfig(TypedDict, total=False):
    """Settings of the HorizontalPodAutoscaler that KEDA makes."""

    behavior: Annotated[
        dict[str, Any],
        Field("How fast it scales, as a HorizontalPodAutoscalerBehavior of autoscaling/v2."),
    ]


class AdvancedConfig(TypedDict, total=False):
    """Further settings of a ScaledObject."""

    horizontalPodAutoscalerConfig: Annotated[
        HorizontalPodAutoscalerConfig, Field("Settings of the HorizontalPodAutoscaler that KEDA makes.")
    ]
    restoreToOriginalReplicaCount: Annotated[
        bool, Field("Whether the number of pods is reset when the ScaledObject is deleted.")
    ]


class ScaledObjectAuthRef(TypedDict, total=False):
    """Where a trigger's credentials are."""

    name: Required[Annotated[str, Field("Name of the TriggerAuthentication.", example="prometheus")]]
    kind: Annotated[str, Field("TriggerAuthentication (default) or ClusterTriggerAuthentication.")]


class ScaleTrigger(TypedDict, total=False):
    """What pods are added and removed by."""

    type: Required[Annotated[str, Field("Type of KEDA's scaler.", example="prometheus")]]
    metadata: Required[
        Annotated[dict[str, str], Field("Settings of the scaler.", example={"serverAddress": "http://prometheus"})]
    ]
    name: Annotated[str, Field("Name of the trigger.")]
    authenticationRef: Annotated[ScaledObjectAuthRef, Field("Where the credentials are.")]
    metricType: Annotated[Literal["AverageValue", "Value", "Utilization"], Field("How the metric is compared.")]


class Fallback(TypedDict, total=False):
    """What to do when a trigger fails."""

    failureThreshold: Required[Annotated[int, Field("Number of failures in a row.", example=3, minimum=0)]]
    replicas: Required[Annotated[int, Field("Number of pods from then on.", example=1, minimum=0)]]


class SeldonScaledObjectSpec(TypedDict, total=False):
    """A ScaledObject of KEDA for the pods."""

    pollingInterval: Annotated[int, Field("Seconds between two looks at the triggers.", minimum=0)]
    cooldownPeriod: Annotated[int, Field("Seconds without activity before scaling to zero.", minimum=0)]
    idleReplicaCount: Annotated[int, Field("Number of pods without activity.", minimum=0)]
    minReplicaCount: Annotated[int, Field("Least number of pods.", minimum=0)]
    maxReplicaCount: Annotated[int, Field("Greatest number of pods.", minimum=0)]
    advanced: Annotated[AdvancedConfig, Field("Further settings.")]
    triggers: Required[
        Annotated[
            list[ScaleTrigger],
            Field(
                "What pods are added and removed by.",
                example=[{"type": "prometheus", "metadata": {"serverAddress": "http://prometheus"}}],
            ),
        ]
    ]
    fallback: Annotated[Fallback, Field("What to do when a trigger fails.")]


class SeldonPdbSpec(TypedDict, total=False):
    """A PodDisruptionBudget of the pods: one of the two fields."""

    minAvailable: Annotated[IntOrString, Field("Pods that must be available, as a number or in percent.")]
    maxUnavailable: Annotated[IntOrString, Field("Pods that may be unavailable, as a number or in percent.")]


class SeldonPodSpec(TypedDict, total=False):
    """A pod of the predictor: one Deployment is made of each."""

    metadata: Annotated[PodMetadata, Field("Metadata of the pods.")]
    spec: Annotated[
        dict[str, Any], Field("The pod, with the fields of a Kubernetes PodSpec (see kubectl explain pod.spec).")
    ]
    replicas: Annotated[int, Field("Number of pods; overrides the predictor's.", minimum=0)]
    hpaSpec: Annotated[SeldonHpaSpec, Field("A HorizontalPodAutoscaler, which sets the number of pods.")]
    kedaSpec: Annotated[SeldonScaledObjectSpec, Field("A ScaledObject of KEDA, which sets the number of pods.")]
    pdbSpec: Annotated[SeldonPdbSpec, Field("A PodDisruptionBudget of the pods.")]


class SvcOrchSpec(TypedDict, total=False):
    """Settings of the engine, the container that runs the inference graph."""

    resources: Annotated[dict[str, Any], Field("Compute resources, with the fields of a Kubernetes container.")]
    env: Annotated[list[dict[str, Any]], Field("Environment, with the fields of a Kubernetes container.")]
    replicas: Annotated[int, Field("Number of engines, where they have pods of their own.", minimum=0)]


class Explainer(TypedDict, total=False):
    """A component beside the graph that explains predictions."""

    type: Annotated[
        Literal[
            "AnchorTabular",
            "AnchorImages",
            "AnchorText",
            "Counterfactuals",
            "Contrastive",
            "KernelShap",
            "IntegratedGradients",
            "ALE",
            "TreeShap",
            "",
        ],
        Field("Kind of the explanation; without it, there is no explainer."),
    ]
    modelUri: Annotated[str, Field("Where the trained explainer is fetched from.")]
    serviceAccountName: Annotated[str, Field("ServiceAccount of the pod, whose Secrets give access to the explainer.")]
    containerSpec: Annotated[
        dict[str, Any], Field("The container, with the fields of Kubernetes; what is left out is filled in.")
    ]
    config: Annotated[dict[str, str], Field("Arguments of the explainer, by name.")]
    endpoint: Annotated[Endpoint, Field("How the explainer is reached.")]
    envSecretRefName: Annotated[str, Field("Secret whose keys are environment variables for fetching the explainer.")]
    storageInitializerImage: Annotated[
        str, Field("Image that fetches the explainer, in place of the one of the operator's configuration.")
    ]
    replicas: Annotated[int, Field("Number of pods.", minimum=0)]
    initParameters: Annotated[str, Field("Parameters of the explainer as a JSON object in text, with protocol v2.")]


class Ssl(TypedDict, total=False):
    """TLS of the engine."""

    certSecretName: Annotated[str, Field("Secret with the certificate and its key.")]


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
    engineResources: Annotated[dict[str, Any], Field("Ignored: svcOrchSpec.resources is the place.")]
    explainer: Annotated[Explainer, Field("A component that explains predictions.")]
    shadow: Annotated[bool, Field("Whether the predictor gets copies of requests and its answers are dropped.")]
    ssl: Annotated[Ssl, Field("TLS of the engine.")]
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
    oauth_key: Annotated[str, Field("Ignored; kept for older manifests.")]
    oauth_secret: Annotated[str, Field("Ignored; kept for older manifests.")]


class Address(TypedDict, total=False):
    """Where predictions are served."""

    url: Annotated[str, Field("URL inside the cluster.")]


class DeploymentStatus(TypedDict, total=False):
    """State of a Deployment."""

    name: Annotated[str, Field("Name of the Deployment.")]
    status: Annotated[str, Field("State of the Deployment.")]
    description: Annotated[str, Field("Why it is not available.")]
    explainerFor: Annotated[str, Field("Predictor that it explains.")]
    replicas: Annotated[int, Field("Number of pods.")]
    availableReplicas: Annotated[int, Field("Number of pods that take requests.")]


class ServiceStatus(TypedDict, total=False):
    """Addresses of a Service."""

    svcName: Annotated[str, Field("Name of the Service.")]
    httpEndpoint: Annotated[str, Field("Host and port for HTTP.")]
    grpcEndpoint: Annotated[str, Field("Host and port for gRPC.")]
    explainerFor: Annotated[str, Field("Predictor that it explains.")]


class Condition(TypedDict, total=False):
    """An aspect of the state."""

    type: Required[Annotated[str, Field("What the condition is about.")]]
    status: Required[Annotated[Literal["True", "False", "Unknown"], Field("Whether it holds.")]]
    reason: Annotated[str, Field("Cause, in one word.")]
    message: Annotated[str, Field("Cause, in plain words.")]
    lastTransitionTime: Annotated[str, Field("When the status last changed.")]
    observedGeneration: Annotated[Int64, Field("Generation of the spec that the condition is about.")]


class SeldonDeploymentStatus(TypedDict, total=False):
    """What is served at present, written by the controller."""

    state: Annotated[Literal["Available", "Creating", "Failed"], Field("Whether all predictors serve requests.")]
    description: Annotated[str, Field("Why they do not, where they do not.")]
    observedGeneration: Annotated[Int64, Field("Generation of the spec that the status is about.")]
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
