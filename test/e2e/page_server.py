# SPDX-License-Identifier: Apache-2.0
"""page_server.py - a target whose every answer a test decides, with or without TLS.

    server = PageServer({"/metrics": "up_total 1\\n"})
    server.pages["/metrics"] = lambda request: (401, {}, b"no") if ... else "up_total 2\\n"
    server.requests[-1].headers["Authorization"]

A page is a text, or a function of the request that returns a text or (status, headers, body).
host: another loopback address, or one of the test's own network; IPv6 as well.  before(), if
given, is called in each connection's thread before anything is read: before the handshake of TLS.
"""
import collections, http.server, socket, socketserver, ssl, threading

# A handler serves all requests of its connection: what one of them was has to be kept apart.
Request = collections.namedtuple("Request", "path headers client_address")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def server_bind(self):
        """Without asking anybody for the name of the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class Server6(Server):
    address_family = socket.AF_INET6


class PageServer:
    name = "pages"

    def __init__(self, pages, tls=None, before=None, host="127.0.0.1", port=0):
        self.pages, self.requests, self.before = dict(pages), [], before
        self.host = host
        server = Server6 if ":" in host else Server
        self.server = server((host, port), Handler)
        self.server.daemon_threads, self.server.owner = True, self
        if tls:
            # In each connection's own thread: a peer that is slow with its handshake waits alone.
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        shown = f"[{host}]" if ":" in host else host
        self.base = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def url(self, path="/metrics"):
        return self.base + path

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        owner = self.server.owner
        owner.requests.append(Request(self.path, self.headers, self.client_address))
        page = owner.pages.get(self.path, (404, {}, b"no such page\n"))
        if callable(page):
            page = page(self)
        status, headers, body = page if isinstance(page, tuple) else (200, {}, page)
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; version=0.0.4", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self):
        try:
            if self.server.owner.before:
                self.server.owner.before()
            super().handle()
        except (OSError, ssl.SSLError):
            pass    # the peer went, or its handshake failed: that is what is being tested

    def log_message(self, *args):
        pass


def tls_server(cert, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
