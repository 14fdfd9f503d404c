{{- /*
The keys that the operator chart accepts, upstream's unserved ones included, on one line. They are repeated here because
the operator's own values are out of sight while the toggle is off. tests/chart compares the list with the operator's schema.
*/ -}}
{{- define "seldon-core.operatorKeys" -}}
ambassador certManager clusterDomain commonLabels controllerId crd credentials defaultUserID enabled executor explainer gatewayApi hostNetwork image imagePullSecrets istio keda kubeflow manager managerCreateResources managerUserID metrics nameOverride namespaceOverride nodeSelector predictiveUnit predictor_servers rbac rollout serviceAccount singleNamespace storageInitializer tolerations usageMetrics webhook
{{- end -}}
