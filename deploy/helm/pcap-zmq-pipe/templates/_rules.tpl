{{/* SPDX-License-Identifier: MIT */}}

{{- define "pcap-zmq-pipe.rulesTable" -}}
{{- .Values.sender.rules.table | default (printf "pcap_zmq_%s_%s" .Release.Namespace (include "pcap-zmq-pipe.fullname" .) | replace "-" "_" | replace "." "_") -}}
{{- end -}}

{{/* What pods send and receive, each packet once; docs/kubernetes.md explains it. */}}
{{- define "pcap-zmq-pipe.podRules" -}}
chain record {
  counter log group 0 snaplen 65535
}
chain forward {
  type filter hook forward priority mangle; policy accept;
  # The pipe's own stream.  It comes from no pod, so no pod hides behind its port.
  ct direction original iifname != $pod_interfaces tcp dport $pipe_port return
  ct direction reply oifname != $pod_interfaces tcp sport $pipe_port return
  # At the node of the pod that opened the connection.
  ct direction original iifname $pod_interfaces goto record
  ct direction reply oifname $pod_interfaces goto record
  # At the pod's node, what was opened from elsewhere than a pod.
  ct direction original oifname $pod_interfaces ip saddr != $pods4 goto record
  ct direction original oifname $pod_interfaces ip6 saddr != $pods6 goto record
  ct direction reply iifname $pod_interfaces ip daddr != $pods4 goto record
  ct direction reply iifname $pod_interfaces ip6 daddr != $pods6 goto record
}
{{- end -}}

{{- define "pcap-zmq-pipe.ruleset" -}}
{{- .Values.sender.rules.ruleset | default (include "pcap-zmq-pipe.podRules" .) -}}
{{- end -}}

{{/* One transaction, which replaces the table of this name and touches no other. */}}
{{- define "pcap-zmq-pipe.rules" -}}
{{- $table := include "pcap-zmq-pipe.rulesTable" . -}}
{{- $depth := 0 -}}
{{- range $line := splitList "\n" (include "pcap-zmq-pipe.ruleset" .) -}}
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
{{- $pods4 := list -}}
{{- $pods6 := list -}}
{{- range .Values.sender.rules.podNetworks -}}
{{- if contains ":" . }}{{ $pods6 = append $pods6 . }}{{ else }}{{ $pods4 = append $pods4 . }}{{ end -}}
{{- end -}}
{{- /* nft takes no empty set; these are nobody's addresses. */ -}}
define pipe_port = {{ .Values.receiver.port }}
define pod_interfaces = { {{ range $i, $name := .Values.sender.rules.podInterfaces }}{{ if $i }}, {{ end }}{{ $name | quote }}{{ end }} }
define pods4 = { {{ $pods4 | default (list "0.0.0.0/32") | join ", " }} }
define pods6 = { {{ $pods6 | default (list "::/128") | join ", " }} }
table inet {{ $table }}
delete table inet {{ $table }}
table inet {{ $table }} {
{{ include "pcap-zmq-pipe.ruleset" . | trimSuffix "\n" | indent 2 }}
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
