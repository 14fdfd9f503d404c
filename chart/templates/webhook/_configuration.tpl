{{- /* What both webhook configurations say. Call with (dict "root" $ "path" "/mutate"). */ -}}
{{- define "seldon-core-operator.webhook" -}}
admissionReviewVersions: ["v1"]
clientConfig:
  service:
    name: {{ include "seldon-core-operator.webhookServiceName" .root }}
    namespace: {{ include "seldon-core-operator.namespace" .root | quote }}
    path: {{ .path }}
    port: 443
# Every version by name, so that an object arrives in the version the user wrote; Equivalent covers those yet to come.
rules:
  - apiGroups: ["machinelearning.seldon.io"]
    apiVersions: ["v1", "v1alpha2", "v1alpha3"]
    operations: ["CREATE", "UPDATE"]
    resources: ["seldondeployments"]
    scope: Namespaced
matchPolicy: Equivalent
# Removing a finalizer is an UPDATE: what is going away must be able to go, whatever is wrong with it.
matchConditions:
  - name: not-being-deleted
    expression: "!has(object.metadata.deletionTimestamp)"
failurePolicy: Fail
sideEffects: None
timeoutSeconds: 10
{{- include "seldon-core-operator.webhookSelectors" .root }}
{{- end -}}

{{- /*
Which SeldonDeployments this operator is responsible for:
cluster-wide: those without the label seldon.io/controller-id, in namespaces without it;
singleNamespace: those of its own namespace (by the name label that every namespace has, so that none escapes unlabelled);
controllerId: those that carry its id, in the same namespaces as otherwise.
*/ -}}
{{- define "seldon-core-operator.webhookSelectors" }}
{{- if .Values.singleNamespace }}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ include "seldon-core-operator.namespace" . | quote }}
{{- else }}
namespaceSelector:
  matchExpressions:
    - key: seldon.io/controller-id
      operator: DoesNotExist
{{- end }}
{{- if .Values.controllerId }}
objectSelector:
  matchLabels:
    seldon.io/controller-id: {{ .Values.controllerId | quote }}
{{- else }}
objectSelector:
  matchExpressions:
    - key: seldon.io/controller-id
      operator: DoesNotExist
{{- end }}
{{- end -}}
