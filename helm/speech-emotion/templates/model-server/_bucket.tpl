{{/* Environment of what reads or writes a bucket (where it is, and as whom), and further variables: (list $ .Values.retraining.extraEnv) */}}
{{- define "speech-emotion.bucketEnv" -}}
{{- $store := (index . 0).Values.modelStore -}}
{{- $bucket := $store.bucket -}}
{{- $env := list -}}
{{- if eq $store.type "bucket" -}}
{{- with $bucket.endpoint }}{{ $env = append $env (dict "name" "AWS_ENDPOINT_URL_S3" "value" .) }}{{ end -}}
{{- with $bucket.region }}{{ $env = append $env (dict "name" "AWS_DEFAULT_REGION" "value" .) }}{{ end -}}
{{- if $bucket.existingSecret -}}
{{- $file := hasPrefix "gs:" $bucket.url | ternary "GOOGLE_APPLICATION_CREDENTIALS" "AWS_SHARED_CREDENTIALS_FILE" -}}
{{- $env = append $env (dict "name" $file "value" "/etc/bucket/credentials") -}}
{{- end -}}
{{- end -}}
{{- with concat $env (index . 1) }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* The mount of the bucket's credentials, and its volume; nothing where a ServiceAccount has them */}}
{{- define "speech-emotion.bucketMount" -}}
{{- if .Values.modelStore.bucket.existingSecret -}}
- {name: bucket, mountPath: /etc/bucket, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "speech-emotion.bucketVolume" -}}
{{- with .Values.modelStore.bucket.existingSecret -}}
- {name: bucket, secret: {secretName: {{ . }}}}
{{- end -}}
{{- end -}}

{{/* The sidecar that keeps /models equal to the bucket. Its probe holds the server back until the first copy is whole. */}}
{{- define "speech-emotion.bucketSidecar" -}}
{{- $bucket := .Values.modelStore.bucket -}}
name: model-store
image: {{ include "speech-emotion.image" (list $ .Values.gateway.image) }}
imagePullPolicy: {{ .Values.gateway.image.pullPolicy }}
securityContext: {{- include "speech-emotion.securityContext" .Values.modelServer.securityContext | nindent 2 }}
restartPolicy: Always
command: [ser, models, sync, {{ $bucket.url | quote }}, /models]
args:
  - --every-s={{ $bucket.pollSeconds }}
  # Below the volume's size, at which the pod would be evicted: file systems store whole blocks.
  - --max-bytes={{ mulf 0.95 (include "speech-emotion.bytes" $bucket.size | float64) | int64 }}
  {{- range prepend .Values.modelStore.moreModels .Values.modelStore.modelName }}
  - --require={{ . }}
  {{- end }}
  - --status-port=9090
  - --status-host=
{{- with include "speech-emotion.bucketEnv" (list $ $bucket.extraEnv) }}
env: {{- . | nindent 2 }}
{{- end }}
ports:
  - {name: store, containerPort: 9090}
startupProbe: {httpGet: {path: /readyz, port: 9090}, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 86400}
resources: {{- toYaml $bucket.resources | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /models}
  - {name: tmp, mountPath: /tmp}
  {{- with include "speech-emotion.bucketMount" . }}{{ . | nindent 2 }}{{ end }}
{{- end -}}

{{/* The port of the bucket's server */}}
{{- define "speech-emotion.bucketPort" -}}
{{- $endpoint := .Values.modelStore.bucket.endpoint | default "https://s3" | urlParse -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $endpoint.host) | default (ternary "80" "443" (eq $endpoint.scheme "http")) -}}
{{- end -}}
