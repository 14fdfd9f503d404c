{{- /*
Reference of an image: registry/repository:tag@digest. Call with (dict "root" $ "image" .Values.image "own" "seldonio/...").
The tag defaults to the chart's appVersion; a digest decides what is pulled and the tag stays readable.
A values file written for upstream pins upstream's own images, which hold other programs: those give way to ours.
*/ -}}
{{- define "seldon-core-operator.image" -}}
{{- $repository := .image.repository -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- if include "seldon-core-operator.isUpstreamImage" .image -}}
{{- $repository = .own -}}
{{- $tag = .root.Chart.AppVersion -}}
{{- end -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{ $repository }}:{{ $tag }}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* "true" for an image that upstream published: its executor, or its operator at one of its 1.x versions. Call with an image. */ -}}
{{- define "seldon-core-operator.isUpstreamImage" -}}
{{- if not .digest -}}
{{- if eq .repository "seldonio/seldon-core-executor" -}}
true
{{- else if and (eq .repository "seldonio/seldon-core-operator") (regexMatch "^1\\.[0-9]+\\.[0-9]+(-|$)" (.tag | default "")) -}}
true
{{- end -}}
{{- end -}}
{{- end -}}
