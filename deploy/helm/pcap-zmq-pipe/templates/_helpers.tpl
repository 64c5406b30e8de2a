{{/* SPDX-License-Identifier: MIT */}}

{{/* Short enough that what is added to it, and a StatefulSet's revision, fit a label of 63. */}}
{{- define "pcap-zmq-pipe.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "pcap-zmq-pipe.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "pcap-zmq-pipe.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pcap-zmq-pipe.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Never more than these: a selector cannot be changed, so an upgrade would fail. */}}
{{- define "pcap-zmq-pipe.selector" -}}
app.kubernetes.io/name: {{ include "pcap-zmq-pipe.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The metadata of an object: of .root, for .component, called .name, and .annotations. */}}
{{- define "pcap-zmq-pipe.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  app.kubernetes.io/part-of: pcap-zmq-pipe
  {{- include "pcap-zmq-pipe.selector" . | nindent 2 }}
  {{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The metadata of a pod: no chart's version, which would restart it for nothing. */}}
{{- define "pcap-zmq-pipe.podMetadata" -}}
labels:
  {{- include "pcap-zmq-pipe.selector" . | nindent 2 }}
  {{- with merge (dict) (.labels | default dict) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* .image of .root, whose tag is the chart's where there is none. */}}
{{- define "pcap-zmq-pipe.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.imageRegistry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" .) $name -}}
{{- end -}}
{{- if .image.digest -}}
image: {{ printf "%s@%s" $name .image.digest | quote }}
{{- else -}}
image: {{ printf "%s:%s" $name (.image.tag | default .root.Chart.AppVersion) | quote }}
{{- end }}
imagePullPolicy: {{ .image.pullPolicy }}
{{- end -}}

{{- define "pcap-zmq-pipe.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where .pod, the values of sender or receiver, may run. */}}
{{- define "pcap-zmq-pipe.scheduling" -}}
{{- with .nodeSelector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "pcap-zmq-pipe.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- $account.name | default (printf "%s-%s" (include "pcap-zmq-pipe.fullname" .root) .component) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Numbers of values files are floating-point, and 1000000 would be 1e+06. */}}
{{- define "pcap-zmq-pipe.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}
{{- int64 . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{- define "pcap-zmq-pipe.variable" -}}
{{- printf "PCAP_ZMQ_%s" (upper . | replace "-" "_") -}}
{{- end -}}

{{/* Environment of .options, by their long names, after that of .config has been laid over. */}}
{{- define "pcap-zmq-pipe.environment" -}}
{{- range $option, $value := merge (dict) .config .options }}
- name: {{ include "pcap-zmq-pipe.variable" $option }}
  value: {{ include "pcap-zmq-pipe.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* Options that the chart has to know, and so has a value of its own for. */}}
{{- define "pcap-zmq-pipe.refuseOptions" -}}
{{- $program := .program -}}
{{- $config := .config -}}
{{- range $option, $instead := .instead -}}
{{- if hasKey $config $option -}}
{{- fail (printf "%s.config.%s: %s" $program $option $instead) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pcap-zmq-pipe.keysSecret" -}}
{{- .Values.keys.existingSecret | default (printf "%s-keys" (include "pcap-zmq-pipe.fullname" .)) -}}
{{- end -}}

{{- define "pcap-zmq-pipe.headless" -}}
{{- include "pcap-zmq-pipe.fullname" . }}-receiver-headless
{{- end -}}

{{- define "pcap-zmq-pipe.probe" -}}
httpGet:
  path: {{ .path }}
  port: metrics
  {{- with .host }}
  host: {{ . | quote }}
  {{- end }}
{{- omit .probe "enabled" | toYaml | nindent 0 }}
{{- end -}}

{{/* Keys that are made by the Job, unless they are there. */}}
{{- define "pcap-zmq-pipe.makesKeys" -}}
{{- if and .Values.keys.enabled .Values.receiver.enabled (not .Values.keys.existingSecret) -}}
{{- if not (lookup "v1" "Secret" .Release.Namespace (include "pcap-zmq-pipe.keysSecret" .)) -}}
true
{{- end -}}
{{- end -}}
{{- end -}}
