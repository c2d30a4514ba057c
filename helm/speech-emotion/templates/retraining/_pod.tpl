{{/* The Job's spec that Job and CronJob share. */}}
{{- define "speech-emotion.retrainingJob" -}}
{{- $values := .Values.retraining -}}
{{- $bucket := eq .Values.modelStore.type "bucket" -}}
backoffLimit: {{ $values.retries }}
activeDeadlineSeconds: {{ $values.timeoutSeconds }}
ttlSecondsAfterFinished: 604800
template:
  metadata: {{- include "speech-emotion.podMetadata" (list $ "retraining" $values dict) | nindent 4 }}
  spec:
    {{- include "speech-emotion.podSpec" (list $ "retraining" $values) | nindent 4 }}
    restartPolicy: Never
    containers:
      - name: retraining
        image: {{ include "speech-emotion.image" (list $ $values.image) }}
        imagePullPolicy: {{ $values.image.pullPolicy }}
        securityContext: {{- include "speech-emotion.securityContext" $values.securityContext | nindent 10 }}
        args:
          - ser
          - pipeline
          - run
          - --data={{ $values.data.path }}
          - --store={{ ternary .Values.modelStore.bucket.url "/models" $bucket }}
          - --name={{ .Values.modelStore.modelName }}
          - --model={{ $values.model }}
          - --label={{ $values.label }}
          - --work=/work
          - --server={{ include "speech-emotion.fullname" . }}-model-server:8500
          - --timeout-s={{ include "speech-emotion.modelServerLoadSeconds" . }}
          {{- if .Values.modelServer.tls.enabled }}
          - --server-ca-file=/etc/model-server-ca/ca.crt
          {{- if .Values.modelServer.tls.clientSecretName }}
          - --server-client-cert-file=/etc/model-server-client/tls.crt
          - --server-client-key-file=/etc/model-server-client/tls.key
          {{- end }}
          {{- end }}
          {{- with $values.extraArgs }}{{ toYaml . | nindent 10 }}{{ end }}
        {{- with $values.envFrom }}
        envFrom: {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- with include "speech-emotion.bucketEnv" (list $ $values.extraEnv) }}
        env: {{- . | nindent 10 }}
        {{- end }}
        resources: {{- toYaml $values.resources | nindent 10 }}
        volumeMounts:
          {{- if $bucket }}
          {{- with include "speech-emotion.bucketMount" . }}{{ . | nindent 10 }}{{ end }}
          {{- else }}
          - {name: models, mountPath: /models}
          {{- end }}
          - {name: work, mountPath: /work}
          - {name: tmp, mountPath: /tmp}
          {{- if $values.data.existingClaim }}
          - {name: data, mountPath: /data, readOnly: true}
          {{- end }}
          {{- if .Values.modelServer.tls.enabled }}
          {{- include "speech-emotion.modelServerTlsMounts" . | nindent 10 }}
          {{- end }}
          {{- with $values.extraVolumeMounts }}{{ toYaml . | nindent 10 }}{{ end }}
    volumes:
      {{- if $bucket }}
      {{- with include "speech-emotion.bucketVolume" . }}{{ . | nindent 6 }}{{ end }}
      {{- else }}
      - {name: models, persistentVolumeClaim: {claimName: {{ include "speech-emotion.modelStoreClaim" . }}}}
      {{- end }}
      - {name: work, emptyDir: {sizeLimit: {{ $values.workSize }}}}
      - {name: tmp, emptyDir: {sizeLimit: {{ $values.tmpSize }}}}
      {{- with $values.data.existingClaim }}
      - {name: data, persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}}
      {{- end }}
      {{- if .Values.modelServer.tls.enabled }}
      {{- include "speech-emotion.modelServerTlsVolumes" . | nindent 6 }}
      {{- end }}
      {{- with $values.extraVolumes }}{{ toYaml . | nindent 6 }}{{ end }}
{{- end -}}
