# SPDX-License-Identifier: MIT
"""Suricata's records (eve.json) in a form in which two runs can be compared."""
import collections
import json

# What Suricata makes up anew in every run.
MADE_UP = ("flow_id", "parent_id", "in_iface", "pcap_filename")
# What differs now and then between two runs directly on the same file: Suricata does not always
# clear the TTLs of a flow that it reuses.  The alert on low TTLs and the payloads stand for them.
UNSTEADY = ("min_ttl", "max_ttl")
BYTES = ("bytes_toserver", "bytes_toclient", "bytes")
PACKETS = ("pkts_toserver", "pkts_toclient", "pkts")


def read(path):
    """The records of an eve.json; none if it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [json.loads(line) for line in file if line.strip()]
    except FileNotFoundError:
        return []


def normalised(records, number_of=None):
    """Records as a map: a text of what must be equal, to the (bytes, packets) of each that has it.

    `number_of` turns a frame's number in the capture into the one that it has in the pipe."""
    groups = collections.defaultdict(list)
    for record in records:
        record = {key: value for key, value in record.items() if key not in MADE_UP}
        if number_of is not None and "pcap_cnt" in record:
            record["pcap_cnt"] = number_of.get(record["pcap_cnt"], "not carried")
        if record.get("event_type") in ("flow", "netflow"):
            # When Suricata wrote it down: the time of the last packet that it had seen until then,
            # of whatever flow, or kind.  The flow's own end stands in the record.
            record.pop("timestamp", None)
        counts = []
        for part in ("flow", "netflow"):
            if part in record:
                record[part] = dict(record[part])
                for name in UNSTEADY:
                    record[part].pop(name, None)
                for octets, packets in zip(BYTES, PACKETS):
                    if octets in record[part]:
                        counts.append((record[part].pop(octets), record[part][packets]))
                # Whether a flow timed out before the capture ended is a race between two of
                # Suricata's threads; what the flow was is not.
                if record[part].get("reason") in ("timeout", "shutdown"):
                    record[part]["reason"] = "timeout or shutdown"
        groups[json.dumps(record, sort_keys=True)].append(tuple(counts))
    return {text: sorted(counts) for text, counts in groups.items()}


def differences(left, right, headers=(0,)):
    """Lines that say how two results of normalised() differ; none if they are the same.

    Byte counts on the left may exceed those on the right by a header of one of the lengths
    `headers` a packet: exactly where there is one length, in between where there are several."""
    lines, only_left, only_right = [], [], []
    for text in sorted(set(left) | set(right)):
        ours, theirs = left.get(text, []), right.get(text, [])
        if len(ours) != len(theirs):
            only_left += [text] * max(0, len(ours) - len(theirs))
            only_right += [text] * max(0, len(theirs) - len(ours))
            continue
        for our, their in zip(ours, theirs):
            if not all(_plausible(a, b, headers) for a, b in zip(our, their)):
                lines.append(f"(bytes, packets) {our} directly, {their} by the pipe: {text}")
    return lines + _paired(only_left, only_right)


def _paired(only_left, only_right):
    """Lines for records of one side; of two that mean the same thing, only what differs."""
    lines = []
    for text in only_left:
        ours = _flat(json.loads(text))
        twin = next((other for other in only_right if _same_thing(ours, other)), None)
        if twin is None:
            lines.append(f"directly only: {text}")
            continue
        only_right.remove(twin)
        theirs = _flat(json.loads(twin))
        changes = [f"{key} {ours.get(key)!r} directly, {theirs.get(key)!r} by the pipe"
                   for key in sorted(set(ours) | set(theirs)) if ours.get(key) != theirs.get(key)]
        lines.append(f"{_title(ours)}: " + "; ".join(changes))
    return lines + [f"by the pipe only: {text}" for text in only_right]


def _flat(value, name=""):
    if isinstance(value, dict):
        return {key: leaf for part, inner in value.items()
                for key, leaf in _flat(inner, f"{name}.{part}" if name else part).items()}
    return {name: json.dumps(value)}


TITLE = ("event_type", "proto", "src_ip", "src_port", "dest_ip", "dest_port",
         "alert.signature_id", "flow.start", "pcap_cnt")


def _title(flat):
    return " ".join(flat[key].strip('"') for key in TITLE if key in flat)


def _same_thing(ours, text):
    return _title(ours) == _title(_flat(json.loads(text)))


def _plausible(ours, theirs, headers):
    (our_bytes, packets), (their_bytes, _) = ours, theirs
    more = our_bytes - their_bytes
    return min(headers) * packets <= more <= max(headers) * packets
