{{- define "strata.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects the agents' pods; never changes between versions, for a selector cannot. */}}
{{- define "strata.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{- define "strata.natsSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: queue
{{- end -}}

{{/* Of objects.  Pods carry the selector's labels only: a label with a version would restart them all. */}}
{{- define "strata.labels" -}}
{{ include "strata.selector" . }}
{{ include "strata.commonLabels" . }}
{{- end -}}

{{- define "strata.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- define "strata.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "strata.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "strata.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest -}}{{ $i.repository }}@{{ $i.digest }}{{- else -}}{{ $i.repository }}:{{ default .Chart.AppVersion $i.tag }}{{- end -}}
{{- end -}}

{{- define "strata.natsUrl" -}}
{{- if .Values.nats.enabled -}}nats://{{ include "strata.fullname" . }}-nats:4222{{- else -}}{{ .Values.nats.url }}{{- end -}}
{{- end -}}

{{/* The kubelet's pages, for all agents that run on the node they scrape. */}}
{{- define "strata.kubeletSource" -}}
{{- $k := .Values.kubelet -}}
name: kubelet
static:
  targets:
  {{- range $k.paths }}
    - https://{{ $k.host }}:{{ $k.port }}{{ . }}
  {{- end }}
  labels: {node: "${NODE_NAME}"}
interval: {{ $k.interval }}
pool: {{ default (first .Values.config.pools).name $k.pool }}
http:
  bearer: file:/var/run/secrets/kubernetes.io/serviceaccount/token
  tls: {{- toYaml $k.tls | nindent 4 }}
{{- end -}}

{{/* The list of sources: those of the values or what suits the kind, with .Values.namespaces where a source
has none, and the kubelet.  A kubernetes source of the list always has a role. */}}
{{- define "strata.sources" -}}
{{- if not .Values.config.pools -}}
{{- fail "config.pools needs a pool: the chart's sources go there" -}}
{{- end -}}
{{- $sources := deepCopy (default (list) .Values.config.sources) -}}
{{- $pool := (first .Values.config.pools).name -}}
{{- if not $sources -}}
{{- if eq .Values.kind "DaemonSet" -}}
{{- $sources = list (dict "name" "pods" "pool" $pool "kubernetes" (dict "role" "pod" "node" "${NODE_NAME}")) -}}
{{- else -}}
{{- $sources = list (dict "name" "services" "pool" $pool "kubernetes" (dict "role" "service")) -}}
{{- end -}}
{{- end -}}
{{- $namespaces := .Values.namespaces -}}
{{- range $sources -}}
{{- if hasKey . "kubernetes" -}}
{{- $_ := set . "kubernetes" (merge (default dict .kubernetes) (dict "role" "pod")) -}}
{{- if and $namespaces (not .kubernetes.namespaces) -}}
{{- $_ := set .kubernetes "namespaces" $namespaces -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.kubelet.enabled -}}
{{- $sources = append $sources (include "strata.kubeletSource" . | fromYaml) -}}
{{- end -}}
{{- toYaml $sources -}}
{{- end -}}

{{/* agent.yaml.  Replicas of a Deployment may share a node, so there the pod's name is the agent's. */}}
{{- define "strata.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "sources" (include "strata.sources" . | fromYamlArray) -}}
{{- if and (eq .Values.kind "Deployment") (not (dig "agent" "instance" "" $config)) -}}
{{- $_ := set $config "agent" (set (default dict $config.agent) "instance" "${POD_NAME}") -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Not empty where TLS is spoken at agent.listen. */}}
{{- define "strata.tls" -}}
{{- dig "agent" "web" "tls" "cert" "" .Values.config -}}
{{- end }}

{{/* The port of agent.listen, which probes, policies and annotations have to name. */}}
{{- define "strata.port" -}}
{{- regexFind "[0-9]+$" (dig "agent" "listen" "" .Values.config) -}}
{{- end -}}

{{/* "true" if a source speaks to the API server or sends the account's token: else the pod gets none. */}}
{{- define "strata.needsToken" -}}
{{- $sources := include "strata.sources" . -}}
{{- range fromYamlArray $sources -}}
{{- if hasKey . "kubernetes" -}}true{{- end -}}
{{- end -}}
{{- if contains "/var/run/secrets/kubernetes.io/serviceaccount/" $sources -}}true{{- end -}}
{{- end -}}

{{/* Values that fit the schema and make no sense together. */}}
{{- define "strata.check" -}}
{{- $daemon := eq .Values.kind "DaemonSet" -}}
{{- range include "strata.sources" . | fromYamlArray -}}
{{- with .kubernetes -}}
{{- if and $daemon (ne .role "service") (not .node) -}}
{{- fail (printf "a kubernetes source of role %s has no node: on every node an agent would scrape the whole cluster. Write node: \"${NODE_NAME}\", or kind: Deployment" .role) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (include "strata.port" .) -}}
{{- fail "config.agent.listen needs a port: the probes ask there" -}}
{{- end -}}
{{- if and .Values.kubelet.enabled (not $daemon) -}}
{{- fail "kubelet.enabled goes with kind: DaemonSet: each agent asks the kubelet of its own node" -}}
{{- end -}}
{{- if and .Values.spool.enabled .Values.spool.hostPath.setOwner (not .Values.podSecurityContext.runAsUser) -}}
{{- fail "spool.hostPath.setOwner needs podSecurityContext.runAsUser, the owner to be" -}}
{{- end -}}
{{- if and .Values.spool.enabled (eq .Values.spool.type "persistentVolumeClaim") -}}
{{- if or $daemon (gt (int .Values.replicas) 1) -}}
{{- fail "spool.type persistentVolumeClaim is one volume for one agent: kind: Deployment with replicas: 1. With more, use hostPath" -}}
{{- end -}}
{{- end -}}
{{- end -}}
