{{- define "nba.labels" -}}
app.kubernetes.io/name: nba
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nba.security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
