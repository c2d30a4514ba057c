{{/* What the names of all resources begin with: 40 characters leave room for theirs. A release may have dots, a Service may not. */}}
{{- define "speech-emotion.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Set whatever a map lacks to another's values, at every depth: (list MAP OTHER). A field that a security context lacks was taken away. */}}
{{- define "speech-emotion.fill" -}}
{{- $map := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if not (hasKey $map $key) -}}
{{- $_ := set $map $key $value -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (index $map $key)) (not (hasSuffix "ecurityContext" $key)) -}}
{{- include "speech-emotion.fill" (list (index $map $key) $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Treat null as empty where the default is empty, and refuse it where templates need fields or items: (list MAP DEFAULTS "") */}}
{{- define "speech-emotion.nulls" -}}
{{- $map := index . 0 }}{{ $path := index . 2 -}}
{{- range $key, $default := index . 1 -}}
{{- $name := print $path $key -}}
{{- if regexMatch "(ecurityContext|topologySpread|resources)$" $key -}}
{{- else if and (or (kindIs "map" $default) (kindIs "slice" $default)) (kindIs "invalid" (index $map $key)) -}}
{{- if $default }}{{ fail (printf "%s is null: leave it out to get its default" $name) }}{{ end -}}
{{- $_ := set $map $key $default -}}
{{- else if kindIs "map" $default -}}
{{- include "speech-emotion.nulls" (list (index $map $key) $default (print $name ".")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* `helm upgrade --reuse-values` keeps the values of an older chart, without those that are new: they get their defaults. Every template begins with this. */}}
{{- define "speech-emotion.defaults" -}}
{{- $defaults := .Files.Get "files/defaults.yaml" | fromYaml -}}
{{- if ne .Values.valuesOf $defaults.valuesOf -}}
{{- include "speech-emotion.fill" (list .Values $defaults) -}}
{{- end -}}
{{- include "speech-emotion.nulls" (list .Values $defaults "") -}}
{{- end -}}

{{/* Labels that select a component's pods: (list $ "gateway") */}}
{{- define "speech-emotion.selectorLabels" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Name, labels and annotations of whatever belongs to a component: (dict "root" $ "component" "gateway"), with "name" where it is not the component's, and "labels" and "annotations" of its own */}}
{{- define "speech-emotion.metadata" -}}
{{- $ := .root -}}
{{- $labels := include "speech-emotion.selectorLabels" (list $ .component) | fromYaml -}}
{{- $chart := dict "app.kubernetes.io/version" ($.Chart.AppVersion | replace "+" "_" | trunc 63) "app.kubernetes.io/managed-by" $.Release.Service "helm.sh/chart" (printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63) -}}
{{- range list $chart (.labels | default dict) $.Values.commonLabels -}}
{{- include "speech-emotion.fill" (list $labels .) -}}
{{- end -}}
name: {{ .name | default (printf "%s-%s" (include "speech-emotion.fullname" $) .component) }}
labels: {{- toYaml $labels | nindent 2 }}
{{- include "speech-emotion.annotations" (list $ (.annotations | default dict)) }}
{{- end -}}

{{/* Labels and annotations of a component's pods: (list $ "gateway" .Values.gateway (dict CHECKSUMS)) */}}
{{- define "speech-emotion.podMetadata" -}}
{{- $ := index . 0 }}{{ $values := index . 2 -}}
{{- $labels := include "speech-emotion.selectorLabels" (list $ (index . 1)) | fromYaml -}}
{{- range list $values.podLabels $.Values.commonLabels -}}
{{- include "speech-emotion.fill" (list $labels .) -}}
{{- end -}}
{{- $annotations := index . 3 -}}
{{- include "speech-emotion.fill" (list $annotations $values.podAnnotations) -}}
labels: {{- toYaml $labels | nindent 2 }}
{{- include "speech-emotion.annotations" (list $ $annotations) }}
{{- end -}}

{{/* Annotations with the common ones; nothing where there are none: (list $ (dict ...)) */}}
{{- define "speech-emotion.annotations" -}}
{{- $annotations := deepCopy (index . 1) -}}
{{- include "speech-emotion.fill" (list $annotations (index . 0).Values.commonAnnotations) -}}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The registry of an image: (list $ .Values.gateway.image) */}}
{{- define "speech-emotion.registry" -}}
{{- default (index . 1).registry (index . 0).Values.global.imageRegistry -}}
{{- end -}}

{{/* Whether an image has its default name and no registry: (list $ .Values.gateway.image) */}}
{{- define "speech-emotion.unpublished" -}}
{{- and (not (include "speech-emotion.registry" .)) (hasPrefix "speech-emotion/" (index . 1).repository) -}}
{{- end }}

{{/* An image's full name: (list $ .Values.gateway.image) */}}
{{- define "speech-emotion.image" -}}
{{- $image := index . 1 -}}
{{- with include "speech-emotion.registry" . }}{{ . }}/{{ end -}}
{{- $image.repository }}:{{ default (index . 0).Chart.AppVersion $image.tag -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The Secrets with which images are pulled */}}
{{- define "speech-emotion.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) .Values.imagePullSecrets -}}
{{- if kindIs "map" . }}{{ $names = append $names .name }}{{ else }}{{ $names = append $names . }}{{ end -}}
{{- end -}}
{{- with uniq $names -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The name of a component's ServiceAccount: (list $ "gateway" .Values.gateway) */}}
{{- define "speech-emotion.serviceAccountName" -}}
{{- $values := index . 2 -}}
{{- $created := printf "%s-%s" (include "speech-emotion.fullname" (index . 0)) (index . 1) -}}
{{- coalesce $values.serviceAccount.name (ternary $created "" $values.serviceAccount.create) $values.serviceAccountName "default" -}}
{{- end -}}

{{/* A component's ServiceAccount: (list $ "gateway" .Values.gateway) */}}
{{- define "speech-emotion.serviceAccount" -}}
{{- $account := (index . 2).serviceAccount -}}
apiVersion: v1
kind: ServiceAccount
metadata: {{- include "speech-emotion.metadata" (dict "root" (index . 0) "component" (index . 1) "name" (include "speech-emotion.serviceAccountName" .) "annotations" $account.annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{/* A quantity such as 4Gi as a number of bytes */}}
{{- define "speech-emotion.bytes" -}}
{{- $number := regexFind "^[0-9.]+" (toString .) -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (float64 $number) (index $units (trimPrefix $number (toString .)) | default 1) | int64 -}}
{{- end -}}

{{/* A security context without the fields that are null: .Values.gateway.podSecurityContext */}}
{{- define "speech-emotion.securityContext" -}}
{{- $kept := dict -}}
{{- range $field, $value := . -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $field $value }}{{ end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{/* IP families of a Service */}}
{{- define "speech-emotion.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Threads of a model server: as set, or as many as its container may use cores; empty where nothing says so, or flags of its own do. */}}
{{- define "speech-emotion.modelServerThreads" -}}
{{- with .Values.modelServer -}}
{{- $resources := .resources | default dict -}}
{{- $cpu := coalesce ($resources.limits | default dict).cpu ($resources.requests | default dict).cpu | default "" | toString -}}
{{- if regexMatch "--tensorflow_[a-z_]+_parallelism" (join " " .extraArgs) -}}
{{- else if .threads -}}
{{- .threads -}}
{{- else if hasSuffix "m" $cpu -}}
{{- divf (trimSuffix "m" $cpu) 1000 | ceil -}}
{{- else if ne $cpu "" -}}
{{- float64 $cpu | ceil -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What every pod of a component says alike: (list $ "gateway" .Values.gateway) */}}
{{- define "speech-emotion.podSpec" -}}
{{- $ := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 -}}
# A Service's variables would read as settings: GATEWAY_PORT=tcp://...
enableServiceLinks: false
automountServiceAccountToken: false
serviceAccountName: {{ include "speech-emotion.serviceAccountName" . }}
securityContext: {{- include "speech-emotion.securityContext" $values.podSecurityContext | nindent 2 }}
{{- with include "speech-emotion.pullSecrets" $ }}
{{ . }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- range $name := list "dnsConfig" "hostAliases" "nodeSelector" "tolerations" "affinity" }}
{{- with index $values $name }}
{{ $name }}: {{- toYaml . | nindent 2 }}
{{- end }}
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

{{/* How many pods a Deployment has, and how they are replaced: .Values.gateway */}}
{{- define "speech-emotion.pods" -}}
{{- if not (or .autoscaling.enabled (kindIs "invalid" .replicas)) -}}
replicas: {{ .replicas }}
{{ end -}}
revisionHistoryLimit: {{ .revisionHistoryLimit }}
strategy: {{- ternary (dict "type" "Recreate") .updateStrategy (eq .updateStrategy.type "Recreate") | toYaml | nindent 2 }}
{{- end -}}

{{/* A HorizontalPodAutoscaler: (list $ "gateway" .Values.gateway.autoscaling) */}}
{{- define "speech-emotion.hpa" -}}
{{- $ := index . 0 }}{{ $component := index . 1 }}{{ $scaling := index . 2 -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{- include "speech-emotion.metadata" (dict "root" $ "component" $component) | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "speech-emotion.fullname" $ }}-{{ $component }}}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    {{- with $scaling.targetCPUPercent }}
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ . }}}}
    {{- end }}
    {{- with $scaling.metrics }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- $behavior := deepCopy $scaling.behavior }}
  {{- include "speech-emotion.fill" (list $behavior (include "speech-emotion.scalingBehavior" $scaling | fromYaml)) }}
  behavior: {{- toYaml $behavior | nindent 4 }}
{{- end -}}

{{/* How fast an autoscaler adds and removes pods where its values do not say so: .Values.gateway.autoscaling */}}
{{- define "speech-emotion.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies: [{type: Percent, value: 100, periodSeconds: 15}, {type: Pods, value: 2, periodSeconds: 15}]
scaleDown:
  stabilizationWindowSeconds: {{ .scaleDownAfterSeconds }}
  policies: [{type: Pods, value: 1, periodSeconds: 15}]
{{- end -}}

{{/* A PodDisruptionBudget: (list $ "gateway" .Values.gateway.pdb) */}}
{{- define "speech-emotion.pdb" -}}
{{- $ := index . 0 }}{{ $component := index . 1 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{- include "speech-emotion.metadata" (dict "root" $ "component" $component) | nindent 2 }}
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

{{/* The container's requests and limits: memory follows from the engine and from what it loads, unless it is set. */}}
{{- define "speech-emotion.modelServerResources" -}}
{{- with .Values.modelServer -}}
{{- $mebibytes := add (ternary 640 384 (eq .engine "builtin")) (mul 192 .loadedVersions) (ternary 256 0 .batching.enabled) -}}
{{- $resources := .resources | default dict -}}
{{- $request := ($resources.requests | default dict).memory | default (printf "%dMi" $mebibytes) -}}
{{- $limit := printf "%dMi" (div (mul 2 (include "speech-emotion.bytes" $request | int64)) 1048576) -}}
{{- $memory := dict "requests" (dict "memory" $request) "limits" (dict "memory" $limit) -}}
{{- mergeOverwrite $memory (deepCopy $resources) | toYaml -}}
{{- end -}}
{{- end -}}

{{/* Calls that a model server answers at once: twice what all gateways can send, also while one is replaced. */}}
{{- define "speech-emotion.grpcMaxThreads" -}}
{{- $gateways := ternary .Values.gateway.autoscaling.maxReplicas .Values.gateway.replicas (or .Values.gateway.autoscaling.enabled (kindIs "invalid" .Values.gateway.replicas)) -}}
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
