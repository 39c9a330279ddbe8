#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - a Kafka broker into build/tools/kafka: its libraries, and a store that is formatted.
#
# Nothing is done while the stamp there is that of these sources.  The first time Maven fetches
# about 50 MB.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/kafka
cluster=c3RyYXRhLXRlc3QtMDAwMA # 16 bytes in base64

mkdir -p "$root/build/tools"
exec 9>"$root/build/tools/kafka.lock"
flock 9 # one at a time; the second finds it done
stamp=$(cat pom.xml build.sh | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

new=$out.new
rm -rf "$new"
mkdir -p "$new"
cp pom.xml "$new"
(cd "$new" && mvn -q -B --strict-checksums dependency:copy-dependencies -DoutputDirectory=libs \
    -DincludeScope=runtime)
cat >"$new/format.properties" <<END
process.roles=broker,controller
node.id=1
log.dirs=$new/store
listeners=CONTROLLER://127.0.0.1:1,PLAINTEXT://127.0.0.1:2
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:1
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
END
java -XX:TieredStopAtLevel=1 -cp "$new/libs/*" kafka.tools.StorageTool format -t "$cluster" \
    -c "$new/format.properties" >"$new/format.log" 2>&1 || { cat "$new/format.log" >&2 && exit 1; }
echo "$stamp" >"$new/stamp"
rm -rf "$out"
mv "$new" "$out"
