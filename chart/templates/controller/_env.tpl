{{- /* The controller's environment, under upstream's names. */ -}}
{{- define "seldon-core-operator.controllerEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: WATCH_NAMESPACE
  value: {{ .Values.singleNamespace | ternary (include "seldon-core-operator.namespace" .) "" | quote }}
- name: CONTROLLER_ID
  value: {{ include "seldon-core-operator.scalar" .Values.controllerId | quote }}
- name: LEADER_ELECTION_ID
  value: {{ .Values.manager.leaderElectionID | quote }}
- name: SELDON_LOG_LEVEL
  value: {{ .Values.manager.logLevel | quote }}
- name: SELDON_CLUSTER_DOMAIN
  value: {{ .Values.clusterDomain | quote }}
- name: DEPLOYMENT_NAME_AS_PREFIX
  value: {{ .Values.manager.deploymentNameAsPrefix | quote }}
- name: DEFAULT_USER_ID
  value: {{ include "seldon-core-operator.scalar" .Values.defaultUserID | quote }}
- name: EXECUTOR_CONTAINER_IMAGE_AND_VERSION
  value: {{ include "seldon-core-operator.image" (dict "root" . "image" .Values.executor.image "own" "seldonio/seldon-core-engine") | quote }}
- name: EXECUTOR_CONTAINER_IMAGE_PULL_POLICY
  value: {{ .Values.executor.image.pullPolicy | quote }}
- name: EXECUTOR_CONTAINER_USER
  value: {{ include "seldon-core-operator.scalar" .Values.executor.user | quote }}
- name: EXECUTOR_SERVER_METRICS_PORT_NAME
  value: {{ .Values.executor.metricsPortName | quote }}
- name: EXECUTOR_PROMETHEUS_PATH
  value: {{ .Values.executor.prometheus.path | quote }}
- name: EXECUTOR_FULL_HEALTH_CHECKS
  value: {{ .Values.executor.fullHealthChecks | quote }}
- name: EXECUTOR_DEFAULT_CPU_REQUEST
  value: {{ include "seldon-core-operator.scalar" .Values.executor.resources.cpuRequest | quote }}
- name: EXECUTOR_DEFAULT_CPU_LIMIT
  value: {{ include "seldon-core-operator.scalar" .Values.executor.resources.cpuLimit | quote }}
- name: EXECUTOR_DEFAULT_MEMORY_REQUEST
  value: {{ include "seldon-core-operator.scalar" .Values.executor.resources.memoryRequest | quote }}
- name: EXECUTOR_DEFAULT_MEMORY_LIMIT
  value: {{ include "seldon-core-operator.scalar" .Values.executor.resources.memoryLimit | quote }}
- name: PREDICTIVE_UNIT_HTTP_SERVICE_PORT
  value: {{ int64 .Values.predictiveUnit.httpPort | quote }}
- name: PREDICTIVE_UNIT_GRPC_SERVICE_PORT
  value: {{ int64 .Values.predictiveUnit.grpcPort | quote }}
- name: PREDICTIVE_UNIT_METRICS_SERVICE_PORT
  value: {{ int64 .Values.predictiveUnit.metricsPort | quote }}
- name: PREDICTIVE_UNIT_METRICS_PORT_NAME
  value: {{ .Values.predictiveUnit.metricsPortName | quote }}
- name: PREDICTIVE_UNIT_STARTUP_SECONDS
  value: {{ int64 .Values.predictiveUnit.startupSeconds | quote }}
- name: EXECUTOR_CONTAINER_SERVICE_ACCOUNT_NAME
  value: {{ .Values.executor.serviceAccount.name | quote }}
- name: EXECUTOR_REQUEST_LOGGER_DEFAULT_ENDPOINT
  value: {{ .Values.executor.requestLogger.defaultEndpoint | quote }}
- name: EXECUTOR_REQUEST_LOGGER_WORK_QUEUE_SIZE
  value: {{ int64 .Values.executor.requestLogger.workQueueSize | quote }}
- name: EXECUTOR_REQUEST_LOGGER_WRITE_TIMEOUT_MS
  value: {{ int64 .Values.executor.requestLogger.writeTimeoutMs | quote }}
- name: PREPACKAGED_SERVER_STARTUP_SECONDS
  value: {{ int64 .Values.predictiveUnit.serverStartupSeconds | quote }}
- name: PREDICTIVE_UNIT_DEFAULT_ENV_SECRET_REF_NAME
  value: {{ include "seldon-core-operator.scalar" .Values.predictiveUnit.defaultEnvSecretRefName | quote }}
- name: STORAGE_INITIALIZER_IMAGE
  value: {{ .Values.storageInitializer.image | quote }}
- name: STORAGE_INITIALIZER_CPU_REQUEST
  value: {{ include "seldon-core-operator.scalar" .Values.storageInitializer.cpuRequest | quote }}
- name: STORAGE_INITIALIZER_CPU_LIMIT
  value: {{ include "seldon-core-operator.scalar" .Values.storageInitializer.cpuLimit | quote }}
- name: STORAGE_INITIALIZER_MEMORY_REQUEST
  value: {{ include "seldon-core-operator.scalar" .Values.storageInitializer.memoryRequest | quote }}
- name: STORAGE_INITIALIZER_MEMORY_LIMIT
  value: {{ include "seldon-core-operator.scalar" .Values.storageInitializer.memoryLimit | quote }}
- name: EXPLAINER_IMAGE
  value: {{ .Values.explainer.image | quote }}
- name: EXPLAINER_IMAGE_V2
  value: {{ .Values.explainer.image_v2 | quote }}
- name: ISTIO_GATEWAY
  value: {{ .Values.istio.gateway | quote }}
- name: ISTIO_TLS_MODE
  value: {{ .Values.istio.tlsMode | default "" | quote }}
- name: AMBASSADOR_SINGLE_NAMESPACE
  value: {{ .Values.ambassador.singleNamespace | quote }}
{{ include "seldon-core-operator.installationEnv" . }}
{{- end -}}
{{- /* What webhook and controller have to know alike to say what can be served. */ -}}
{{- define "seldon-core-operator.installationEnv" -}}
- name: EXECUTOR_SERVER_PORT
  value: {{ int64 .Values.executor.port | quote }}
- name: EXECUTOR_SERVER_GRPC_PORT
  value: {{ int64 .Values.executor.grpcPort | quote }}
- name: EXECUTOR_SERVER_METRICS_PORT
  value: {{ int64 .Values.executor.metricsPort | quote }}
- name: PREDICTOR_SERVERS
  value: {{ .Values.predictor_servers | default dict | toJson | quote }}
- name: ROLLOUT_ON_UPGRADE
  value: {{ .Values.rollout.onUpgrade | quote }}
- name: ROLLOUT_CONCURRENCY
  value: {{ int64 .Values.rollout.concurrency | quote }}
- name: KEDA_ENABLED
  value: {{ .Values.keda.enabled | quote }}
- name: GATEWAY_API_ENABLED
  value: {{ .Values.gatewayApi.enabled | quote }}
- name: GATEWAY_API_GATEWAYS
  value: {{ .Values.gatewayApi.gateways | default list | join "," | quote }}
- name: GATEWAY_API_GRPC_GATEWAYS
  value: {{ .Values.gatewayApi.grpcGateways | default list | join "," | quote }}
- name: ISTIO_ENABLED
  value: {{ .Values.istio.enabled | quote }}
- name: AMBASSADOR_ENABLED
  value: {{ .Values.ambassador.enabled | quote }}
- name: AMBASSADOR_VERSION
  value: {{ .Values.ambassador.version | quote }}
{{- end -}}
