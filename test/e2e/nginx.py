# SPDX-License-Identifier: Apache-2.0
"""nginx.py - a real nginx that stores each message it is sent as a file, before it answers.

    server = Server(folder)                     http://127.0.0.1:PORT/in
    server = Server(folder, limit="20k", tls=(crt, key, client_ca))
    server.kill(); server.start()               the same port and files again
    for message in server.read(): message.headers["Strata-Id"], message.data
    server.read("a")                            what was sent to http://127.0.0.1:PORT/to/a
    server.log()                                what was asked, in order: status, id, ...

A message is PUT; its file is named by its headers, so that one sent twice is there once, as for
any consumer that remembers ids.  One process, so that its death is that of the server.
"""
import collections, gzip, json, os, signal, socket

from cluster import reserved_port
from process import Process, wait_for

Message = collections.namedtuple("Message", "headers data")

CONF = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size {limit};
    log_format asked escape=json '{{"status":$status,"id":"$http_strata_id","due":"$http_strata_due",'
        '"target":"$http_strata_target","key":"$http_idempotency_key","type":"$http_content_type",'
        '"connection":$connection,"authorization":"$http_authorization","uri":"$request_uri"}}';
    access_log {folder}/access.log asked;
    server {{
        listen 127.0.0.1:{port} {ssl} reuseport;
        {tls}
        location / {{
            {more}
            set $message $http_strata_due-$http_strata_samples-$http_strata_id-$encoding;
            rewrite ^/in /store/$message break;
            rewrite ^/to/(\w+) /store/$1/$message break;
            root {folder};
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
    map $http_content_encoding $encoding {{ "" none; default $http_content_encoding; }}
}}
"""
TLS = """ssl_certificate {0}; ssl_certificate_key {1}; ssl_client_certificate {2};
        ssl_verify_client optional;
        if ($ssl_client_verify != SUCCESS) {{ return 403; }}"""


class Server:
    def __init__(self, folder, limit="1m", tls=None, more=""):
        self.folder, self.process, self.number = os.path.join(folder, "nginx"), None, 0
        os.makedirs(self.folder)
        self.limit, self.tls, self.more = limit, tls, more
        self.reserved, self.port = reserved_port()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/in"
        self.start()

    def start(self):
        self.number += 1
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as f:
            f.write(CONF.format(folder=self.folder, limit=self.limit, port=self.port,
                                ssl="ssl" if self.tls else "", more=self.more,
                                tls=TLS.format(*self.tls) if self.tls else ""))
        self.process = Process(["nginx", "-e", "stderr", "-p", self.folder, "-c", path],
                               self.folder, f"run-{self.number}")
        wait_for(self.listens, what="nginx listens")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            if not self.process.running():
                raise AssertionError("nginx ended:\n" + self.process.err()) from None
            return False

    def kill(self):
        self.process.end(signal.SIGKILL)

    def end(self):
        self.kill()
        self.reserved.close()

    def log(self):
        with open(os.path.join(self.folder, "access.log")) as f:
            lines = f.read().split("\n")
        return [json.loads(line) for line in lines[:-1] if '"status"' in line]

    def read(self, folder=""):
        """All messages there, in the order in which they were stored first, as far as it is known."""
        store = os.path.join(self.folder, "store", folder)
        logged = {}
        for line in self.log():
            logged.setdefault(line["id"], len(logged))
        found = []
        for name in os.listdir(store) if os.path.isdir(store) else []:
            path = os.path.join(store, name)
            if os.path.isdir(path):
                continue
            due, samples, key, encoding = name.split("-")
            with open(path, "rb") as f:
                data = f.read()
            if encoding == "gzip":
                data = gzip.decompress(data)
            headers = {"Nats-Msg-Id": key, "Strata-Id": key, "Strata-Samples": samples,
                       "Strata-Due": due, "Content-Encoding": encoding}
            found.append(((os.stat(path).st_mtime_ns, logged.get(key, 0)), Message(headers, data)))
        return [message for _, message in sorted(found, key=lambda pair: pair[0])]
