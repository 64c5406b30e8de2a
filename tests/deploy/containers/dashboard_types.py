# SPDX-License-Identifier: MIT
"""Writes a dashboard as a TypeScript program that compiles if it is of Grafana's types.

Usage: dashboard_types.py DASHBOARD.json >PROGRAM.ts
"""

import json
import sys

# The kinds of panels that we use, and where their types are.
KINDS = {"timeseries": "TimeSeries", "state-timeline": "StateTimeline", "heatmap": "Heatmap",
         "table": "Table", "text": "Text"}

RAW = "@grafana/schema/dist/types/raw"
HEAD = """\

// In JSON a member of an enum is its plain value.
type Json<T> = T extends string ? `${T}`
  : T extends number ? (`${T}` extends `${infer N extends number}` ? N : never)
  : T extends boolean | null | undefined ? T
  : T extends (infer U)[] ? Json<U>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;
"""


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        dashboard = json.load(file)
    print(HEAD)
    print(f"import type {{ Dashboard }} from '{RAW}/dashboard/x/dashboard_types.gen.d.ts';")
    for kind, name in KINDS.items():
        folder = kind.replace("-", "")
        path = f"{RAW}/composable/{folder}/panelcfg/x/{name}PanelCfg_types.gen.d.ts"
        print(f"import type * as {name} from '{path}';")

    def write(name, kind, value):
        print(f"export const {name}: Json<{kind}> = {json.dumps(value)};")

    write("dashboard", "Dashboard", dashboard)
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        kind = KINDS[panel["type"]]  # a new kind of panel wants its types named above
        write(f"options{panel['id']}", f"{kind}.Options", panel["options"])
        if kind == "Text":  # which has no fields and asks nothing
            continue
        custom = panel["fieldConfig"]["defaults"]["custom"]
        # What a panel leaves out has a default, also where the type does not say so.
        write(f"fields{panel['id']}", f"Partial<{kind}.FieldConfig>", custom)
        for target in panel["targets"]:
            if not {"refId", "datasource", "expr"} <= set(target):
                sys.exit(f"{panel['title']}: a query without refId, datasource or expr")


main()
