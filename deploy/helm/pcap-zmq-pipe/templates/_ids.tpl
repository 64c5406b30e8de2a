{{/* SPDX-License-Identifier: MIT */}}

{{/* What an IDS of a kind is called with; the command lines are those of docker-compose.yml. */}}
{{- define "pcap-zmq-pipe.idsKind" -}}
snort:
  repository: pcap-zmq-pipe/snort
  logs: /var/log/snort
  alerts: alert_json.txt
  configFile: snort.lua
  command: [snort, -c, /etc/pcap-zmq/snort.lua, -R, {{ . | quote }}, -r, /run/pcap-zmq/ids.pcap,
            -l, /var/log/snort, --daq-batch-size, "1", -s, "65535", -k, none]
suricata:
  repository: pcap-zmq-pipe/suricata
  logs: /var/log/suricata
  alerts: eve.json
  configFile: local.yaml
  command: [suricata, -c, /etc/suricata/suricata.yaml, --include, /etc/pcap-zmq/local.yaml,
            -S, {{ . | quote }}, -r, /run/pcap-zmq/ids.pcap, -l, /var/log/suricata, -k, none,
            --runmode, single, --set, stream.inline=yes, --set, unix-command.enabled=no,
            --pidfile, /tmp/suricata.pid]
custom:
  repository: ""
  logs: /var/log/ids
  command: []
{{- end -}}

{{/* The configuration: the value, or the very file of docker/. */}}
{{- define "pcap-zmq-pipe.idsConfig" -}}
{{- $ids := .Values.receiver.ids -}}
{{- if $ids.config -}}
{{- $ids.config -}}
{{- else if eq $ids.kind "suricata" -}}
{{- .Files.Get "files/suricata.yaml" -}}
{{- else -}}
{{- $lua := .Files.Get "files/snort.lua" -}}
{{- if not (contains "limit = 100," $lua) -}}
{{- fail "docker/snort/snort.lua has no line with its limit, which this chart replaces" -}}
{{- end -}}
{{- /* A log that is somebody else's to keep has no size after which to begin another one. */ -}}
{{- if $ids.alertsToLog -}}
{{- $lua | replace "limit = 100," "limit = 0," -}}
{{- else -}}
{{- $lua -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pcap-zmq-pipe.idsRules" -}}
{{- .Values.receiver.ids.rules | default (.Files.Get (printf "files/%s.rules" .Values.receiver.ids.kind)) -}}
{{- end -}}

{{/* An IDS ends when the FIFO's writer closes, whenever the receiver restarts, and the kubelet
starts it again.  Two readers of a FIFO would each get some pieces of the packets, so each takes a
lock first, and keeps it as an open file.  What it opens as its file of alerts is a link to its own
output, the container's log. */}}
{{- define "pcap-zmq-pipe.idsEntry" -}}
exec 9</run/pcap-zmq
flock -n 9 || { echo "another IDS reads this FIFO" >&2; exit 1; }
{{- with .alerts }}
ln -sf /proc/self/fd/1 {{ . }}
{{- end }}
exec "$@"
{{- end -}}

{{/* The container of the IDS number .number. */}}
{{- define "pcap-zmq-pipe.idsContainer" -}}
{{- $receiver := .root.Values.receiver -}}
{{- $ids := $receiver.ids -}}
{{- $path := $ids.rulesPath | default "/etc/pcap-zmq/local.rules" -}}
{{- $kind := index (include "pcap-zmq-pipe.idsKind" $path | fromYaml) $ids.kind -}}
{{- $repository := $ids.image.repository | default $kind.repository -}}
name: ids-{{ .number }}
{{ include "pcap-zmq-pipe.image" (dict "root" .root "image" (set (deepCopy $ids.image) "repository" $repository)) }}
{{- if eq $ids.kind "custom" }}
command:
  {{- toYaml $ids.command | nindent 2 }}
{{- with $ids.args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
workingDir: {{ $kind.logs }}
{{- else }}
{{- $alerts := ternary (printf "%s/%s" $kind.logs (default "" $kind.alerts)) "" $ids.alertsToLog }}
command:
  - sh
  - -c
  - |
    {{- include "pcap-zmq-pipe.idsEntry" (dict "alerts" $alerts) | nindent 4 }}
  - ids
args:
  {{- concat $kind.command $ids.extraArgs | toYaml | nindent 2 }}
{{- end }}
{{- with $ids.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
lifecycle:
  preStop:
    exec:
      # Without it the IDS would end first, and what the receiver still has would have no reader.
      # It ends by itself when the receiver does.
      command: [sleep, {{ sub $receiver.terminationGracePeriodSeconds 5 | toString | quote }}]
resources:
  {{- toYaml $ids.resources | nindent 2 }}
securityContext:
  {{- toYaml $ids.securityContext | nindent 2 }}
volumeMounts:
  - name: fifo-{{ .number }}
    mountPath: /run/pcap-zmq
    readOnly: true
  {{- if ne $ids.kind "custom" }}
  - name: ids
    mountPath: /etc/pcap-zmq
    readOnly: true
  {{- end }}
  - name: logs-{{ .number }}
    mountPath: {{ $kind.logs }}
  - name: tmp-{{ .number }}
    mountPath: /tmp
  {{- with $ids.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
