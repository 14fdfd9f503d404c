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
- name: EXECUTOR_SERVER_PORT
  value: {{ int64 .Values.executor.port | quote }}
- name: EXECUTOR_SERVER_GRPC_PORT
  value: {{ int64 .Values.executor.grpcPort | quote }}
- name: EXECUTOR_SERVER_METRICS_PORT
  value: {{ int64 .Values.executor.metricsPort | quote }}
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
{{- end -}}
