#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
exec kcat -b "$BROKERS" -G look -X auto.offset.reset=earliest -X session.timeout.ms=6000 -u -q -J metrics
