{{- /* One name for each thing. All live in one namespace, so one release fits in a namespace; cluster-wide ones carry it. */ -}}

{{- define "seldon-core-operator.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end -}}

{{- define "seldon-core-operator.controllerName" -}}
seldon-controller-manager
{{- end -}}

{{- define "seldon-core-operator.webhookName" -}}
seldon-webhook
{{- end -}}

{{- define "seldon-core-operator.webhookServiceName" -}}
seldon-webhook-service
{{- end -}}

{{- /* The Secret of the webhook's certificates: an authority of its own, or what cert-manager or an administrator put there. */ -}}
{{- define "seldon-core-operator.webhookSecretName" -}}
{{- if .Values.webhook.existingSecret -}}
{{ .Values.webhook.existingSecret }}
{{- else if .Values.certManager.enabled -}}
seldon-webhook-tls
{{- else -}}
seldon-webhook-ca
{{- end -}}
{{- end -}}

{{- /* "true" where somebody else keeps that Secret. */ -}}
{{- define "seldon-core-operator.certificatesGiven" -}}
{{- if or .Values.webhook.existingSecret .Values.certManager.enabled -}}
true
{{- end -}}
{{- end -}}

{{- define "seldon-core-operator.checkName" -}}
seldon-webhook-check
{{- end -}}

{{- define "seldon-core-operator.mutatingConfigurationName" -}}
seldon-mutating-webhook-configuration-{{ include "seldon-core-operator.namespace" . }}
{{- end -}}

{{- define "seldon-core-operator.validatingConfigurationName" -}}
seldon-validating-webhook-configuration-{{ include "seldon-core-operator.namespace" . }}
{{- end -}}

{{- define "seldon-core-operator.managerRoleName" -}}
seldon-manager-role-{{ include "seldon-core-operator.namespace" . }}
{{- end -}}

{{- define "seldon-core-operator.webhookRoleName" -}}
seldon-webhook-role-{{ include "seldon-core-operator.namespace" . }}
{{- end -}}
