{{/* SPDX-License-Identifier: MIT */}}

{{- define "pcap-zmq-pipe.rulesTable" -}}
{{- .Values.sender.rules.table | default (printf "pcap_zmq_%s_%s" .Release.Namespace (include "pcap-zmq-pipe.fullname" .) | replace "-" "_" | replace "." "_") -}}
{{- end -}}

{{/* One transaction, which replaces the table of this name and touches no other. */}}
{{- define "pcap-zmq-pipe.rules" -}}
{{- $table := include "pcap-zmq-pipe.rulesTable" . -}}
{{- $depth := 0 -}}
{{- range $line := splitList "\n" .Values.sender.rules.ruleset -}}
{{- $text := regexReplaceAll "\"[^\"]*\"" $line "" -}}
{{- $text = regexReplaceAll "#.*" $text "" -}}
{{- range regexFindAll "[{}]" $text -1 -}}
{{- $depth = ternary (add $depth 1) (sub $depth 1) (eq . "{") -}}
{{- if lt (int $depth) 0 -}}
{{- fail (printf "sender.rules.ruleset: a } without its { would leave the table %s" $table) -}}
{{- end -}}
{{- end -}}
{{- if regexMatch "(^|[;{])\\s*(add|create|delete|destroy|flush|include|insert|list|rename|replace|reset|table)\\b" $text -}}
{{- fail (printf "sender.rules.ruleset: %q: chains, sets and maps only, which the chart puts into the table %s" (trim $line) $table) -}}
{{- end -}}
{{- end -}}
{{- if ne (int $depth) 0 -}}
{{- fail "sender.rules.ruleset: a { without its }" -}}
{{- end -}}
define pipe_port = {{ .Values.receiver.port }}
table inet {{ $table }}
delete table inet {{ $table }}
table inet {{ $table }} {
{{ .Values.sender.rules.ruleset | trimSuffix "\n" | indent 2 }}
}
{{- end -}}

{{/* Loads the table and removes it when the pod ends.  It may start before the sender or after it:
what is logged while nobody reads costs a copy.  Process 1 ignores SIGTERM unless it asks. */}}
{{- define "pcap-zmq-pipe.rulesContainer" -}}
{{- $rules := .Values.sender.rules -}}
{{- $table := include "pcap-zmq-pipe.rulesTable" . -}}
- name: rules
  {{- include "pcap-zmq-pipe.image" (dict "root" . "image" $rules.image) | nindent 2 }}
  command:
    - sh
    - -c
    - |
      trap 'nft delete table inet {{ $table }}; exit $?' TERM INT
      nft -f /etc/pcap-zmq/rules.nft || exit 1
      echo "loaded the table inet {{ $table }}"
      while :; do
        sleep 86400 &
        wait $!
      done
  resources:
    {{- toYaml $rules.resources | nindent 4 }}
  securityContext:
    runAsUser: 0
    runAsGroup: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL], add: [NET_ADMIN]}
  volumeMounts:
    - name: rules
      mountPath: /etc/pcap-zmq
      readOnly: true
{{- end -}}
