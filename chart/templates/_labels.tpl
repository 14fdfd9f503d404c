{{- /*
Labels of an object, as YAML. Call with (dict "root" $ "component" "webhook" "pod" true); component and pod are optional.
Pods carry no chart version, so that a new chart around the same image restarts nothing.
*/ -}}
{{- define "seldon-core-operator.labels" -}}
{{- $labels := include "seldon-core-operator.ownLabels" .root | fromYaml -}}
{{- if .pod -}}
{{- $labels = omit $labels "helm.sh/chart" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" -}}
{{- end -}}
{{- with .component -}}
{{- $_ := set $labels "app.kubernetes.io/component" . -}}
{{- end -}}
{{- merge $labels (deepCopy (.root.Values.commonLabels | default dict)) | toYaml -}}
{{- end -}}

{{- define "seldon-core-operator.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
app.kubernetes.io/name: {{ .Values.nameOverride | default "seldon-core" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: seldon-core
{{- end -}}

{{- /* Selector of a Deployment's pods. Selectors are immutable: these two labels never change. Call with (dict "root" $ "name" ...). */ -}}
{{- define "seldon-core-operator.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
control-plane: {{ .name }}
{{- end -}}
