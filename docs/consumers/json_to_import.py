# SPDX-License-Identifier: Apache-2.0
"""json_to_import.py - turns our JSON lines into those of VictoriaMetrics' /api/v1/import."""
import datetime
import json
import sys

for line in sys.stdin:
    o = json.loads(line, parse_int=float)
    if "value" in o:    # not the end of a series, for which that format has no word
        time = datetime.datetime.fromisoformat(o["timestamp"])
        value = {"NaN": None, "+Inf": "Infinity", "-Inf": "-Infinity"}.get(o["value"], o["value"])
        print(json.dumps({"metric": {"__name__": o["name"], **o["tags"]}, "values": [value],
                          "timestamps": [round(time.timestamp() * 1000)]}))
