{{- define "bearerd.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 58 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 58 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 58 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- end }}

{{- define "bearerd.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bearerd.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "bearerd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "bearerd.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "bearerd.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- /* The configuration: what the chart sets, over what the values say. */ -}}
{{- define "bearerd.config" -}}
{{- $own := dict "issuer" .Values.issuer "listen" ":8080" "ops_listen" ":9180" "shutdown" (dict "notice" .Values.shutdownNotice) }}
{{- if not .Values.postgresql.existingSecret }}
{{- $own = set $own "database" "/var/lib/bearerd/bearerd.db" }}
{{- end }}
{{- if .Values.masterKey.existingSecret }}
{{- $own = set $own "master_key_file" "/etc/bearerd/master/master.key" }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) }}
{{- end }}

{{- /* What a wrong combination of values is answered with. */ -}}
{{- define "bearerd.check" -}}
{{- if and .Values.postgresql.existingSecret (not .Values.masterKey.existingSecret) }}
{{- fail "masterKey.existingSecret must be set with PostgreSQL: all pods need the same master key" }}
{{- end }}
{{- range .Values.securityPolicies }}
{{- if not (hasKey (default dict $.Values.config.requirements) .requirement) }}
{{- fail (printf "securityPolicies: config.requirements has no %q" .requirement) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "bearerd.pod" -}}
metadata:
  labels:
    {{- include "bearerd.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include "bearerd.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "bearerd.serviceAccount" . }}
  automountServiceAccountToken: false
  # A service called bearerd would put variables into the pods that begin as bearerd's own.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: bearerd
      image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --config, /etc/bearerd/bearerd.yaml]
      env:
        {{- with .Values.postgresql }}{{ if .existingSecret }}
        - name: BEARERD_DATABASE
          valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .key }}}}
        {{- end }}{{ end }}
        {{- with .Values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      ports:
        - {name: http, containerPort: 8080}
        - {name: ops, containerPort: 9180}
      startupProbe:
        httpGet: {path: /healthz, port: ops}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /healthz, port: ops}
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: ops}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      resources: {{ toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/bearerd/bearerd.yaml, subPath: bearerd.yaml, readOnly: true}
        {{- if .Values.masterKey.existingSecret }}
        - {name: master, mountPath: /etc/bearerd/master, readOnly: true}
        {{- end }}
        {{- range .Values.secretFiles }}
        - {name: secret-{{ . }}, mountPath: /etc/bearerd/secrets/{{ . }}, readOnly: true}
        {{- end }}
        - {name: state, mountPath: /var/lib/bearerd}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap: {name: {{ include "bearerd.fullname" . }}}
    {{- if .Values.masterKey.existingSecret }}
    - name: master
      secret:
        secretName: {{ .Values.masterKey.existingSecret }}
        items: [{key: {{ .Values.masterKey.key }}, path: master.key}]
        defaultMode: 0440
    {{- end }}
    {{- range .Values.secretFiles }}
    - name: secret-{{ . }}
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- if .Values.postgresql.existingSecret }}
    - name: state
      emptyDir: {}
    {{- end }}
    - name: tmp
      emptyDir: {}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
