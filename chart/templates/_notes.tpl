{{- /* What to type next. The umbrella chart prints it as well: Helm shows only the notes of the chart that was named. */ -}}
{{- define "seldon-core-operator.notes" -}}
{{- $namespace := include "seldon-core-operator.namespace" . -}}
{{- $models := .Values.singleNamespace | ternary $namespace "models" -}}
Seldon Core {{ .Chart.AppVersion }} is installed in namespace {{ $namespace }}.
{{- if .Values.webhook.check.enabled }} The API server reaches its webhook: SeldonDeployments can be applied now.
{{- end }}
It serves SeldonDeployments {{ include "seldon-core-operator.scopeInWords" . }}.

Deploy a model (the block can be pasted as it is):
{{ if not .Values.singleNamespace }}
kubectl create namespace {{ $models }}
{{- end }}
kubectl apply --namespace {{ $models }} -f - <<EOF
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata:
  name: seldon-model
  {{- with .Values.controllerId }}
  labels:
    seldon.io/controller-id: {{ . | quote }}
  {{- end }}
spec:
  predictors:
  - name: example
    replicas: 1
    graph:
      name: classifier
      type: MODEL
    componentSpecs:
    - spec:
        containers:
        - name: classifier
          image: seldonio/mock_classifier:1.0
EOF
kubectl wait --namespace {{ $models }} --for=jsonpath='{.status.state}'=Available --timeout=5m seldondeployment/seldon-model

Ask it for a prediction:

  kubectl port-forward --namespace {{ $models }} service/seldon-model-example {{ int64 .Values.executor.port }} &
  curl -H 'Content-Type: application/json' -d '{"data":{"ndarray":[[5.1,3.5,1.4,0.2]]}}' http://localhost:{{ int64 .Values.executor.port }}/api/v1.0/predictions

Look at the operator:

  kubectl get deployments,pods --namespace {{ $namespace }} --selector app.kubernetes.io/instance={{ .Release.Name }}
  kubectl logs --namespace {{ $namespace }} deployment/{{ include "seldon-core-operator.controllerName" . }}

If `kubectl apply` times out in the webhook, the API server cannot reach port {{ int64 .Values.webhook.port }} of the pods in {{ $namespace }}: open it in the
firewall between control plane and nodes, or set hostNetwork to true.
{{- with include "seldon-core-operator.warnings" . }}

Warnings:
{{ . }}
{{- end }}

`helm uninstall` keeps{{ if .Values.crd.create }} the CRD and{{ end }} your SeldonDeployments and what runs for them. To delete every one of them and the CRD:

  kubectl delete customresourcedefinition seldondeployments.machinelearning.seldon.io
{{- end -}}

{{- define "seldon-core-operator.scopeInWords" -}}
{{- if .Values.controllerId -}}
with the label seldon.io/controller-id={{ .Values.controllerId }}
{{- else -}}
without the label seldon.io/controller-id
{{- end -}}
{{- if .Values.singleNamespace }} in namespace {{ include "seldon-core-operator.namespace" . }} only
{{- else }} in all namespaces without that label
{{- end -}}
{{- end -}}

{{- define "seldon-core-operator.warnings" -}}
{{- $warnings := list -}}
{{- $notServed := include "seldon-core-operator.notServed" (dict "defaults" (.Files.Get "files/not-served.yaml" | fromYaml) "values" .Values "prefix" "") -}}
{{- range splitList "\n" (trim $notServed) -}}
{{- if . -}}
{{- $warnings = append $warnings (printf "%s has no effect in this version" .) -}}
{{- end -}}
{{- end -}}
{{- range $path, $image := dict "image" .Values.image "executor.image" .Values.executor.image -}}
{{- if include "seldon-core-operator.isUpstreamImage" $image -}}
{{- $warnings = append $warnings (printf "%s names an image of the reference implementation (%s:%s); this chart's own image is used instead" $path $image.repository $image.tag) -}}
{{- end -}}
{{- end -}}
{{- if .Values.singleNamespace -}}
{{- $namespace := include "seldon-core-operator.namespace" . -}}
{{- $warnings = append $warnings (printf "label the namespace if a cluster-wide operator runs as well, or both will serve it: kubectl label namespace %s seldon.io/controller-id=%s" $namespace $namespace) -}}
{{- end -}}
{{- range $index, $warning := $warnings }}
{{- if $index }}
{{ end }}  - {{ $warning }}
{{- end -}}
{{- end -}}
