{{/* The pod's template, which DaemonSet and Deployment share.  It holds no checksum of the ConfigMap: the agent
reloads by itself, so a change of the configuration restarts nothing. */}}
{{- define "strata.pod" -}}
{{- $owner := and .Values.spool.enabled (eq .Values.spool.type "hostPath") .Values.spool.hostPath.setOwner -}}
{{- $daemon := eq .Values.kind "DaemonSet" -}}
metadata:
  labels:
    {{- include "strata.selector" . | nindent 4 }}
    {{- range list .Values.commonLabels .Values.podLabels }}
    {{- with . }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: agent
    {{- if .Values.selfMetrics.annotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ include "strata.port" . | quote }}
    {{- if include "strata.tls" . }}
    prometheus.io/scheme: https
    {{- end }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "strata.serviceAccount" . }}
  automountServiceAccountToken: {{ not (empty (include "strata.needsToken" .)) }}
  # Variables named after every service of the namespace are none of the configuration's business.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  dnsPolicy: {{ default (ternary "ClusterFirstWithHostNet" "ClusterFirst" .Values.hostNetwork) .Values.dnsPolicy }}
  securityContext: {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- if or $owner .Values.initContainers }}
  initContainers:
    {{- if $owner }}
    # The one container that is root: a folder that the kubelet made belongs to root.
    - name: spool-owner
      image: {{ include "strata.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [chown, "{{ .Values.podSecurityContext.runAsUser | int64 }}:{{ .Values.podSecurityContext.runAsGroup | int64 }}", {{ .Values.spool.mountPath | quote }}]
      securityContext:
        runAsUser: 0
        runAsNonRoot: false
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL], add: [CHOWN]}
      resources:
        requests: {cpu: 10m, memory: 8Mi}
        limits: {memory: 32Mi}
      volumeMounts:
        - {name: spool, mountPath: {{ .Values.spool.mountPath | quote }}}
    {{- end }}
    {{- with .Values.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: agent
      image: {{ include "strata.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - run
        - -c
        - /etc/strata/agent.yaml
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      env:
        - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
        {{- with include "strata.natsUrl" . }}
        - {name: NATS_URL, value: {{ . | quote }}}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: {{ include "strata.port" . }}, protocol: TCP}
      livenessProbe:
        httpGet: {path: /healthz, port: http{{ if include "strata.tls" . }}, scheme: HTTPS{{ end }}}
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      readinessProbe:
        httpGet: {path: /readyz, port: http{{ if include "strata.tls" . }}, scheme: HTTPS{{ end }}}
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      # So that `kubectl describe pod` shows what is wrong with a configuration that was refused.
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext: {{- toYaml .Values.securityContext | nindent 8 }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        # The folder, not the file: a file mounted by subPath would never change.
        - {name: config, mountPath: /etc/strata, readOnly: true}
        {{- if .Values.spool.enabled }}
        - {name: spool, mountPath: {{ .Values.spool.mountPath | quote }}}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "strata.fullname" . }}}
    {{- if .Values.spool.enabled }}
    - name: spool
      {{- if eq .Values.spool.type "hostPath" }}
      hostPath: {path: {{ .Values.spool.hostPath.path | quote }}, type: DirectoryOrCreate}
      {{- else if eq .Values.spool.type "emptyDir" }}
      emptyDir: {{ with .Values.spool.emptyDir.sizeLimit }}{sizeLimit: {{ . | quote }}}{{ else }}{}{{ end }}
      {{- else }}
      persistentVolumeClaim:
        claimName: {{ default (include "strata.fullname" .) .Values.spool.persistentVolumeClaim.existing }}
      {{- end }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if or .Values.tolerations (and $daemon .Values.tolerateTaints) }}
  tolerations:
    {{- if and $daemon .Values.tolerateTaints }}
    - {operator: Exists, effect: NoSchedule}
    {{- end }}
    {{- with .Values.tolerations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
