# SPDX-License-Identifier: MIT
"""What each query of the dashboard and of the alerts must answer, as queries_test.py leads a pipe
from phase to phase."""

# What the values of an answer must be, beside "absent" and, for alerts, "quiet".  In the tables a
# text in brackets picks the series that have it as the value of a label.
CHECKS = {
    "> 0": lambda values: max(values) > 0,
    "= 0": lambda values: max(values) == 0 == min(values),
    "= 1": lambda values: max(values) == 1 == min(values),
    "= 2": lambda values: max(values) == 2,
    ">= 0": lambda values: min(values) >= 0,
    "share": lambda values: 0 < min(values) and max(values) <= 1,
    "< 0.1": lambda values: 0 <= min(values) and max(values) < 0.1,
    "< 5": lambda values: max(values) < 5,
    "> 5": lambda values: max(values) > 5,
    "> 0.5": lambda values: max(values) > 0.5,
    "fires": lambda values: True,
}

WELL = {  # while all is well, whatever the traffic
    "Kernel loss B": "= 0", "Connections A": "= 1", "Connections B": ">= 0",
    "Connections C": "= 1", "FIFO: reader attached A": "= 1", "HWM hits A": "= 0",
    "FIFO: blocked B": ">= 0", "Buffered A": ">= 0", "Buffered B": ">= 0", "Buffered C": ">= 0",
    "Senders A": "< 5",
    "Rate against the watermarks C": "> 0", "Rate against the watermarks D": "> 0",
    "Drops by reason B": ">= 0", "Drops by reason C": "= 0", "Drops by reason D": "= 0",
    "Lost on the way A": "= 0", "Lost on the way D": "= 0",
    "PcapZmqHwmHits": "quiet", "PcapZmqNoReceiver": "quiet",
    "PcapZmqSenderSilent": "quiet", "PcapZmqNoReader": "quiet", "PcapZmqOutputDrops": "quiet",
    "PcapZmqNetworkLoss": "quiet", "PcapZmqLedgerNotClosing sender": "quiet",
    "PcapZmqLedgerNotClosing network": "quiet", "PcapZmqLedgerNotClosing output": "quiet",
    "PcapZmqClockSkew ahead": "quiet", "PcapZmqClockSkew behind": "quiet",
    "PcapZmqTargetDown": "quiet", "PcapZmqRefusedConnections": "quiet",
    "PcapZmqSenderClock": "quiet", "PcapZmqEndpointDown": "quiet", "PcapZmqNothingCaptured receiver": "quiet",
    "PcapZmqKernelLoss receiver": "quiet", "PcapZmqSenderDrops receiver": "quiet",
}
MOVING = {  # while packets flow to the IDS
    "Logged A": "> 0", "Rate against the watermarks A": "> 0",
    "Rate against the watermarks B": "> 0", "Delivery latency A": "> 0",
    "Delivery latency, quantiles A": "> 0", "Delivery latency, quantiles B": "> 0",
    "Delivery latency, quantiles C": "> 0", "Senders B": "> 0", "Senders D": "> 0",
    "Senders G": "> 0", "Senders H": "> 0",
}
CLOSED = {"The ledger's balance A": "= 0", "The ledger's balance B": "= 0",
          "The ledger's balance C": "= 0", "The ledger's balance D": "absent",
          "In transit A": "= 0"}

# Only a fault of the programs makes them fire; promtool's cases do (grafana_test.py).
CANNOT_FIRE = {"PcapZmqLedgerNotClosing sender", "PcapZmqLedgerNotClosing output"}

PHASES = [
    ("calm", {**WELL, **MOVING, "State A": "= 0", "Squash ratio A": "absent",
              "Squash ratio B": "= 0", "Drops by reason A": "= 0", "Kernel loss A": "= 0",
              "PcapZmqSenderDrops": "quiet", "PcapZmqKernelLoss": "quiet", "Senders C": "= 0",
              "PcapZmqNothingCaptured": "quiet",
              "Senders E": "= 0", "Senders F": "= 0", "Senders I": "= 0",
              "Delivery latency, quantiles A": "< 0.1", "FIFO: blocked A": "< 0.1"}),
    ("squash", {**WELL, **MOVING, "State A": "= 1", "Squash ratio A": "share",
                "Squash ratio B": "share", "Drops by reason A": "= 0", "Senders C": "= 1",
                "PcapZmqSenderDrops": "quiet"}),
    ("shed", {**WELL, **MOVING, "State A": "= 2", "Squash ratio A": "> 0.5",
              "Squash ratio B": "share", "Drops by reason A [shed]": "> 0", "Senders C": "= 2",
              "Senders F": "> 0", "PcapZmqSenderDrops": "fires"}),
    ("settled", {**WELL, **CLOSED, "PcapZmqNothingCaptured": "fires", "State A": "= 0",
                 "Logged A": "= 0", "Buffered A": "= 0", "Buffered B": "= 0", "Buffered C": "= 0", "FIFO: blocked B": "= 0"}),
    ("held", {"Kernel loss A": "> 0", "Kernel loss B": "> 0", "Drops by reason B": "> 0",
              "Senders E": "> 0", "PcapZmqKernelLoss": "fires"}),
    ("no reader", {"FIFO: reader attached A": "= 0", "FIFO: blocked A": "> 0.5",
                   "PcapZmqNoReader": "fires", "In transit A": "> 0", "Connections A": "= 1",
                   # It says so, but the receiver waits and reads nothing.
                   "Senders A": "> 5", "PcapZmqSenderSilent": "quiet"}),
    ("another reader", {"FIFO: reader attached A": "= 1", "FIFO: reopened A": "> 0",
                        "FIFO: reopened B": ">= 0", "PcapZmqNoReader": "quiet"}),
    ("no receiver", {"Connections A": "= 0", "Connections C": "= 0", "HWM hits A": "> 0",
                     "Buffered A": "> 0", "Buffered B": "> 0", "Drops by reason A [zmq_hwm]": "> 0",
                     "PcapZmqNoReceiver": "fires", "PcapZmqHwmHits": "fires",
                     "PcapZmqSenderDrops": "fires", "The ledger's balance A": ">= 0",
                     "Logged A": "> 0", "Rate against the watermarks A": "> 0",
                     "FIFO: reader attached A": "absent", "Senders A": "absent",
                     "PcapZmqTargetDown": "fires",
                     "In transit A": "absent"}),
    ("another receiver", {"Connections A": "= 1", "Connections B": "= 1", "Senders J": "> 0",
                          "Lost on the way B": "> 0", "PcapZmqNoReceiver": "quiet"}),
    ("settled again", {**WELL, **CLOSED}),
    ("sender gone", {"Senders A": "> 5", "PcapZmqSenderSilent": "fires", "Connections B": "= 0",
                     "PcapZmqTargetDown": "fires"}),
    # Its counts begin again, and the receiver adds them up.
    ("sender back", {"PcapZmqLedgerNotClosing network": "quiet", "The ledger's balance B": "= 0",
                     "PcapZmqSenderSilent": "quiet"}),
    ("forgotten", {**WELL, "The ledger's balance B": "= 0"}),
    ("bad peer", {"Lost on the way A [bad]": "> 0", "Lost on the way C": "> 0",
                  "Drops by reason C": "> 0", "Senders I": "> 0", "PcapZmqNetworkLoss": "fires",
                  "PcapZmqNothingCaptured receiver": "fires", "PcapZmqKernelLoss receiver": "fires",
                  "PcapZmqSenderDrops receiver": "fires", "PcapZmqSenderClock": "fires",
                  # It says that it sent more than there is.
                  "PcapZmqLedgerNotClosing network": "fires"}),
    ("stranger", {"PcapZmqRefusedConnections": "fires"}),
    ("full disk", {"Drops by reason D [write_error]": "> 0", "PcapZmqOutputDrops": "fires"}),
    ("clock behind", {"PcapZmqClockSkew behind": "fires", "Delivery latency, quantiles A": "> 5"}),
    ("clock ahead", {"PcapZmqClockSkew ahead": "fires", "PcapZmqClockSkew behind": "quiet"}),
    ("shared outputs", {**MOVING, "PcapZmqRefusedConnections": "quiet"}),
    ("settled shared", {"Logged A": "= 0", "The ledger's balance C": "absent",
                        "The ledger's balance D": "= 0"}),
    ("endpoint down", {"PcapZmqEndpointDown": "fires", "PcapZmqNoReceiver": "quiet"}),
]


def questions_of_the_table():
    """All that is expected of each query, over the phases."""
    wanted = {}
    for _, table in PHASES:
        for question, expectation in table.items():
            wanted.setdefault(question.split(" [")[0], set()).add(expectation)
    return wanted
