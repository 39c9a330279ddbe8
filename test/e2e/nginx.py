# SPDX-License-Identifier: Apache-2.0
"""nginx.py - a real nginx that stores each message it is sent as a file, before it answers, or is TLS
in front of another server.

    server = Server(folder)                     http://127.0.0.1:PORT/in
    server = Server(folder, limit="20k", tls=(crt, key, client_ca))
    server.kill(); server.start()               the same port and files again
    for message in server.read(): message.headers["Strata-Id"], message.data
    server.read("a")                            what was sent to http://127.0.0.1:PORT/to/a
    server.log()                                what was asked, in order: status, id, ...
    front = Front(folder, "127.0.0.1:9100", (crt, key), 500)    TLS for it, at 500 addresses
    front.urls[7], front.connections()

A message is PUT; its file is named by its headers, so that one sent twice is there once, as for
any consumer that remembers ids.  One process, so that its death is that of the server.
"""
import collections, gzip, json, os, signal, socket

from cluster import reserved_port
from process import Process, http_get, wait_for

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


FRONT = """
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile {files}; pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections {files}; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    access_log off; keepalive_timeout 1h; keepalive_requests 1000000; proxy_max_temp_file_size 0;
    upstream behind {{ server {behind}; keepalive 64; }}
    server {{
        {listens}
        ssl_certificate {crt}; ssl_certificate_key {key};
        location / {{
            proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
    server {{ listen 127.0.0.1:{port} reuseport; location / {{ stub_status; }} }}
}}
"""


class Nginx:
    """Its process, and a port of 127.0.0.1 that nobody else gets."""

    def __init__(self, folder):
        self.folder, self.process, self.number = os.path.join(folder, "nginx"), None, 0
        os.makedirs(self.folder)
        self.reserved, self.port = reserved_port()

    def run(self, conf):
        self.number += 1
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as f:
            f.write(conf)
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


class Front(Nginx):
    """HTTPS at `count` addresses 127.x.y.z, so that each has connections of its own."""

    def __init__(self, folder, behind, tls, count):
        super().__init__(folder)
        hosts = [f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}" for i in range(count)]
        self.urls = [f"https://{host}:{self.port}" for host in hosts]
        listens = "\n        ".join(f"listen {host}:{self.port} ssl;" for host in hosts)
        self.run(FRONT.format(folder=self.folder, behind=behind, crt=tls[0], key=tls[1],
                              listens=listens, port=self.port, files=2 * count + 1000))

    def connections(self):
        """That are open now, to the other addresses."""
        text = http_get(f"http://127.0.0.1:{self.port}/")[2]
        return int(text.split("Active connections:")[1].split()[0]) - 1


class Server(Nginx):
    def __init__(self, folder, limit="1m", tls=None, more=""):
        super().__init__(folder)
        self.limit, self.tls, self.more = limit, tls, more
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/in"
        self.start()

    def start(self):
        self.run(CONF.format(folder=self.folder, limit=self.limit, port=self.port,
                             ssl="ssl" if self.tls else "", more=self.more,
                             tls=TLS.format(*self.tls) if self.tls else ""))

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
