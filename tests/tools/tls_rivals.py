# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's TLS proxies, one thread or worker each, with the gateway's certificate, beside the gateway: `front` is a
port that ends TLS and has nowhere to go (handshakes), `relay` one that carries bytes to a backend over TLS where the
program can (`both`), in the clear where it cannot."""
import os
import shutil
import socket
import subprocess

from tools.gateway_rig import wait_for


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


class Rival:
    """Started in the foreground with its configuration in the rig's directory."""
    name, program, both = "", "", True

    def __init__(self, rig, tls_backend, plain_backend):
        self.dir, self.front, self.relay = rig.dir, free_port(), free_port()
        self.cert, self.key = rig.front
        self.pem = f"{rig.dir}/{self.name}.pem"
        with open(self.pem, "w", encoding="ascii") as out:
            for part in rig.front:
                with open(part, encoding="ascii") as f:
                    out.write(f.read())
        self.backend = tls_backend if self.both else plain_backend
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rig.children.append(self.process)
        wait_for(f"{self.name} listens", lambda: answers(self.relay) and answers(self.front))

    @classmethod
    def installed(cls):
        return shutil.which(cls.program, path=os.environ.get("PATH", "") + ":/usr/sbin")

    def write(self, text):
        path = f"{self.dir}/{self.name}.conf"
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        return path

    def pid(self):
        """The process that works: the first child where there are any."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            children = f.read().split()
        return int(children[0]) if children else self.process.pid


class Haproxy(Rival):
    name, program = "haproxy", "haproxy"

    def command(self):
        return [self.installed(), "-db", "-f", self.write(f"""global
  nbthread 1
  maxconn 9000
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen front
  mode http
  bind 127.0.0.1:{self.front} ssl crt {self.pem}
listen relay
  bind 127.0.0.1:{self.relay} ssl crt {self.pem}
  server s 127.0.0.1:{self.backend} ssl verify none
""")]


class Nginx(Rival):
    name, program = "nginx", "nginx"

    def command(self):
        tls = f"""ssl_certificate {self.cert}; ssl_certificate_key {self.key};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_session_tickets on;"""
        return [self.installed(), "-p", self.dir, "-e", "stderr", "-c", self.write(f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
worker_processes 1;
daemon off;
pid {self.dir}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 15000; }}
stream {{
  tcp_nodelay on;
  server {{ listen 127.0.0.1:{self.front} ssl backlog=4096; {tls} return ""; }}
  server {{ listen 127.0.0.1:{self.relay} ssl backlog=4096; {tls} proxy_pass 127.0.0.1:{self.backend};
    proxy_ssl on; proxy_ssl_ciphers ALL; proxy_timeout 1h; }}
}}
""")]


class Hitch(Rival):
    name, program, both = "hitch", "hitch", False

    def command(self):
        return [self.installed(), "--config", self.write(f"""frontend = "[127.0.0.1]:{self.front}"
frontend = "[127.0.0.1]:{self.relay}"
backend = "[127.0.0.1]:{self.backend}"
pem-file = "{self.pem}"
ciphersuites = "TLS_AES_128_GCM_SHA256"
workers = 1
backlog = 4096
daemon = off
user = "nobody"
quiet = on
""")]


class Stunnel(Rival):
    name, program, both = "stunnel", "stunnel4", False

    def command(self):
        return [self.installed(), self.write(f"""foreground = yes
pid =
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[front]
accept = 127.0.0.1:{self.front}
connect = 127.0.0.1:{self.backend}
cert = {self.pem}
[relay]
accept = 127.0.0.1:{self.relay}
connect = 127.0.0.1:{self.backend}
cert = {self.pem}
""")]


ALL = (Haproxy, Nginx, Hitch, Stunnel)
