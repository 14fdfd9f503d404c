{{- /* Hook annotations of the check's objects. Call with the weight: lower ones come first. */ -}}
{{- define "seldon-core-operator.checkHook" -}}
helm.sh/hook: post-install,post-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
