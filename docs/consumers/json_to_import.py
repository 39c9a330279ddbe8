# SPDX-License-Identifier: Apache-2.0
"""json_to_import.py - turns our JSON lines into those of VictoriaMetrics' /api/v1/import."""
import datetime
import json
import sys

for line in sys.stdin:
    o = json.loads(line, parse_int=float)
    if isinstance(o.get("value"), float):    # the import knows neither NaN nor the end of a series
        time = datetime.datetime.fromisoformat(o["timestamp"])
        print(json.dumps({"metric": {"__name__": o["name"], **o["tags"]}, "values": [o["value"]],
                          "timestamps": [round(time.timestamp() * 1000)]}))
