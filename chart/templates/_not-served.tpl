{{- /*
Paths of upstream's values that are set to something else than upstream's default and have no effect in this version,
one on each line. Call with (dict "defaults" (the tree in files/not-served.yaml) "values" .Values "prefix" "").
*/ -}}
{{- define "seldon-core-operator.notServed" -}}
{{- $values := .values -}}
{{- $prefix := .prefix -}}
{{- range $key, $default := .defaults -}}
{{- $value := get $values $key -}}
{{- $path := printf "%s%s" $prefix $key -}}
{{- if or (not (hasKey $values $key)) (kindIs "invalid" $value) -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) -}}
{{- include "seldon-core-operator.notServed" (dict "defaults" $default "values" $value "prefix" (printf "%s." $path)) -}}
{{- else if ne (toJson $value) (toJson $default) -}}
{{- $path }}
{{ end -}}
{{- end -}}
{{- end -}}
