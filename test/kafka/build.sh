#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - Kafka brokers into build/tools/kafka and, the last of the line before, build/tools/kafka3:
# their libraries, and a store that is formatted, in which `agent` has a password for SCRAM.
#
# Nothing is done while the stamp there is that of these sources.  The first time Maven fetches
# about 50 MB for each.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
cluster=c3RyYXRhLXRlc3QtMDAwMA # 16 bytes in base64

make() { # FOLDER VERSION
    local out=$1 new=$1.new stamp user
    stamp=$(cat pom.xml build.sh | sha256sum)
    if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    rm -rf "$new"
    mkdir -p "$new"
    cp pom.xml "$new"
    (cd "$new" && mvn -q -B --strict-checksums dependency:copy-dependencies -Dkafka.version="$2" \
        -DoutputDirectory=libs -DincludeScope=runtime)
    cat >"$new/format.properties" <<END
process.roles=broker,controller
node.id=1
log.dirs=$new/store
listeners=CONTROLLER://127.0.0.1:1,PLAINTEXT://127.0.0.1:2
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:1
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
END
    user="[name=agent,password=s3cret-word]"
    java -XX:TieredStopAtLevel=1 -cp "$new/libs/*" kafka.tools.StorageTool format -t "$cluster" \
        -c "$new/format.properties" -S "SCRAM-SHA-256=$user" -S "SCRAM-SHA-512=$user" \
        >"$new/format.log" 2>&1 || { cat "$new/format.log" >&2 && exit 1; }
    echo "$stamp" >"$new/stamp"
    rm -rf "$out"
    mv "$new" "$out"
}

mkdir -p "$root/build/tools"
exec 9>"$root/build/tools/kafka.lock"
flock 9 # one at a time; the second finds it done
make "$root/build/tools/kafka" 4.3.1
make "$root/build/tools/kafka3" 3.9.2
