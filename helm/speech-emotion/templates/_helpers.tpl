{{- define "speech-emotion.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select a component's pods: (list $ "gateway") */}}
{{- define "speech-emotion.selectorLabels" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of whatever belongs to a component: (list $ "gateway") */}}
{{- define "speech-emotion.labels" -}}
{{ include "speech-emotion.selectorLabels" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- with (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whether an image has its default name and no registry: that of a value such as .Values.gateway.image */}}
{{- define "speech-emotion.unpublished" -}}
{{- and (not .registry) (hasPrefix "speech-emotion/" .repository) -}}
{{- end }}

{{/* An image's full name: (list $ .Values.gateway.image) */}}
{{- define "speech-emotion.image" -}}
{{- $image := index . 1 -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository }}:{{ default (index . 0).Chart.AppVersion $image.tag -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* A quantity such as 4Gi as a number of bytes */}}
{{- define "speech-emotion.bytes" -}}
{{- $number := regexFind "^[0-9.]+" (toString .) -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (float64 $number) (index $units (trimPrefix $number (toString .)) | default 1) | int64 -}}
{{- end -}}

{{- define "speech-emotion.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "speech-emotion.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod of a component says alike: (list $ "gateway" .Values.gateway) */}}
{{- define "speech-emotion.podSpec" -}}
{{- $ := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 -}}
# A Service's variables would read as settings: GATEWAY_PORT=tcp://...
enableServiceLinks: false
automountServiceAccountToken: false
serviceAccountName: {{ $values.serviceAccountName }}
securityContext: {{- include "speech-emotion.podSecurity" $ | nindent 2 }}
{{- with $.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpread }}
topologySpreadConstraints:
  - {{- toYaml . | nindent 4 }}
    # Of one revision: in a rollout the old pods, soon gone, would push all new ones to the other node.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "speech-emotion.selectorLabels" (list $ $component) | nindent 8 }}
{{- end }}
{{- end -}}

{{/* A HorizontalPodAutoscaler: (list $ "gateway" .Values.gateway.autoscaling) */}}
{{- define "speech-emotion.hpa" -}}
{{- $ := index . 0 }}{{ $component := index . 1 }}{{ $scaling := index . 2 -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "speech-emotion.fullname" $ }}-{{ $component }}
  labels: {{- include "speech-emotion.labels" (list $ $component) | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "speech-emotion.fullname" $ }}-{{ $component }}}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $scaling.targetCPUPercent }}}}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies: [{type: Percent, value: 100, periodSeconds: 15}, {type: Pods, value: 2, periodSeconds: 15}]
    scaleDown:
      stabilizationWindowSeconds: {{ $scaling.scaleDownAfterSeconds }}
      policies: [{type: Pods, value: 1, periodSeconds: 15}]
{{- end -}}

{{/* A PodDisruptionBudget: (list $ "gateway" .Values.gateway.pdb) */}}
{{- define "speech-emotion.pdb" -}}
{{- $ := index . 0 }}{{ $component := index . 1 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "speech-emotion.fullname" $ }}-{{ $component }}
  labels: {{- include "speech-emotion.labels" (list $ $component) | nindent 4 }}
spec:
  maxUnavailable: {{ (index . 2).maxUnavailable }}
  # A pod that is not ready serves nobody: it must not hold up a drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "speech-emotion.selectorLabels" (list $ $component) | nindent 6 }}
{{- end -}}

{{/* Seconds that a model server answers on while clients forget it: endpoints, DNS, the age of connections. */}}
{{- define "speech-emotion.modelServerPreStop" -}}
{{- $age := divf (mulf .Values.modelServer.maxConnectionAgeMs 1.1) 1000 -}}
{{- add 5 .Values.modelServer.dnsRefreshSeconds (ceil $age | int) -}}
{{- end -}}

{{/* Seconds until it is known whether a model server can load a version: all attempts, and the pauses between them. */}}
{{- define "speech-emotion.modelServerLoadSeconds" -}}
{{- with .Values.modelServer.load -}}
{{- max 300 (add (mul .retries .retryIntervalSeconds) (mul (add .retries 1) .seconds)) -}}
{{- end -}}
{{- end -}}

{{/* Calls that a model server answers at once: twice what all gateways can send, also while one is replaced. */}}
{{- define "speech-emotion.grpcMaxThreads" -}}
{{- $gateways := ternary .Values.gateway.autoscaling.maxReplicas .Values.gateway.replicas .Values.gateway.autoscaling.enabled -}}
{{- $settings := .Values.gateway.settings -}}
{{- /* A worker sends those of requests and observers, one of recordings or streams, and one a model for its labels. */ -}}
{{- $calls := add ($settings.concurrency | default 2) ($settings.observer_threads | default 1) 2 (len .Values.modelStore.moreModels) -}}
{{- default (max 16 (mul 2 (add $gateways 1) ($settings.workers | default 1) $calls)) .Values.modelServer.grpcMaxThreads -}}
{{- end -}}

{{/* What clients need for TLS to the model servers: the certificate to check theirs against, never their key; their own. */}}
{{- define "speech-emotion.modelServerTlsVolumes" -}}
{{- with .Values.modelServer.tls -}}
- name: model-server-ca
  secret: {secretName: {{ .secretName }}, items: [{key: ca.crt, path: ca.crt}]}
{{- with .clientSecretName }}
- name: model-server-client
  secret: {secretName: {{ . }}, items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "speech-emotion.modelServerTlsMounts" -}}
- {name: model-server-ca, mountPath: /etc/model-server-ca, readOnly: true}
{{- if .Values.modelServer.tls.clientSecretName }}
- {name: model-server-client, mountPath: /etc/model-server-client, readOnly: true}
{{- end }}
{{- end -}}

{{- define "speech-emotion.modelStoreClaim" -}}
{{- default (printf "%s-model-store" (include "speech-emotion.fullname" .)) .Values.modelStore.pvc.existingClaim -}}
{{- end -}}
