{{- /* What the pods of this chart share. All of them meet the pod security standard "restricted". */ -}}

{{- define "seldon-core-operator.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.managerUserID }}
runAsUser: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* Call with what the user adds or overrides (a container securityContext). */ -}}
{{- define "seldon-core-operator.containerSecurityContext" -}}
{{- $default := dict
  "allowPrivilegeEscalation" false
  "readOnlyRootFilesystem" true
  "capabilities" (dict "drop" (list "ALL")) -}}
{{- mergeOverwrite $default (deepCopy (. | default dict)) | toYaml -}}
{{- end -}}

{{- /* Where and with which pull secrets a pod runs. */ -}}
{{- define "seldon-core-operator.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Resources from upstream's flat names; what is empty is left out. Call with a map that has cpuRequest, cpuLimit, ... */ -}}
{{- define "seldon-core-operator.resources" -}}
requests:
  {{- with .cpuRequest }}
  cpu: {{ include "seldon-core-operator.scalar" . | quote }}
  {{- end }}
  {{- with .memoryRequest }}
  memory: {{ include "seldon-core-operator.scalar" . | quote }}
  {{- end }}
{{- if or .cpuLimit .memoryLimit }}
limits:
  {{- with .cpuLimit }}
  cpu: {{ include "seldon-core-operator.scalar" . | quote }}
  {{- end }}
  {{- with .memoryLimit }}
  memory: {{ include "seldon-core-operator.scalar" . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Annotations of a pod that serves metrics. Call with (dict "root" $ "extra" .Values.manager.annotations). */ -}}
{{- define "seldon-core-operator.podAnnotations" -}}
{{- $default := dict
  "prometheus.io/scrape" "true"
  "prometheus.io/port" (int64 .root.Values.metrics.port | toString)
  "prometheus.io/path" "/metrics"
  "sidecar.istio.io/inject" "false" -}}
{{- mergeOverwrite $default (deepCopy (.extra | default dict)) | toYaml -}}
{{- end -}}

{{- /* A start-up of a minute is allowed for, then a wedged process is restarted within half a minute. */ -}}
{{- define "seldon-core-operator.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: metrics
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: metrics
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- /* A string or number as text: a large number must not turn into 1e+09, an absent one not into "<nil>". */ -}}
{{- define "seldon-core-operator.scalar" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if not (kindIs "invalid" .) }}{{ toJson . }}{{ end -}}
{{- end -}}
