// SPDX-License-Identifier: Apache-2.0
// server.js FILE [OPTIONS] - a server of the Forward protocol that writes down what it is given.
//
// The server is that of @fluent-org/logger, by the people of Fluentd; OPTIONS (JSON) are its own,
// but tlsOptions has paths.  FILE gets a line of JSON for each message, before the message is
// acknowledged: {mode, tag, chunk, entries: [[seconds, nanoseconds, bits of value, record], ...]}.
// Says "listening PORT" when it does.
const fs = require("fs");
const path = require("path");
const home = path.join(__dirname, "../../build/tools/forward/node_modules/@fluent-org/logger");
const {FluentServer} = require(home);
const protocol = require(path.join(home, "build/src/protocol"));

const out = fs.openSync(process.argv[2], "a");
const options = JSON.parse(process.argv[3] || "{}");
const modes = {
  gzip: protocol.isCompressedPackedForwardMode,
  packed: protocol.isPackedForwardMode,
  forward: protocol.isForwardMode,
  message: protocol.isMessageMode,
};

function bitsOf(value) {
  if (typeof value !== "number") return null;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString("hex");
}

const parse = protocol.parseTransport;
protocol.parseTransport = message => {
  const got = parse(message);
  const mode = Object.keys(modes).find(name => modes[name](message));
  const entries = got.entries.map(([time, record]) =>
    [time.epoch, time.nano, bitsOf(record.value), record]);
  fs.writeSync(out, JSON.stringify({mode, tag: got.tag, chunk: got.chunk, entries}) + "\n");
  return got;
};

for (const name of ["key", "cert"])
  if (options.tlsOptions) options.tlsOptions[name] = fs.readFileSync(options.tlsOptions[name]);
const server = new FluentServer(options);
server.listen().then(() => console.log("listening", server.port));
