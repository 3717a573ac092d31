# SPDX-License-Identifier: GPL-3.0-or-later
"""The console's noVNC in a page of its own, at a display without a gateway: HTTP and WebSocket on loopback."""
import base64
import hashlib
import http.server
import os
import socket
import struct
import threading

from tools.display_door import exactly, preface
from tools.display_rig import TOP

NOVNC = os.path.join(TOP, "broker/console/node_modules/@novnc/novnc")
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
PAGE = b"""<!doctype html><title>noVNC</title><p id="h264"></p><p>drawn: <span id="drawn">0</span></p>
<div class="pane-screen-view"></div><script type="module">
import RFB from "/novnc/core/rfb.js";
import { supportsWebCodecsH264Decode } from "/novnc/core/util/browser.js";
document.getElementById("h264").textContent = supportsWebCodecsH264Decode ? "decodes H.264" : "decodes no H.264";
const draw = CanvasRenderingContext2D.prototype.drawImage;
let drawn = 0;
CanvasRenderingContext2D.prototype.drawImage = function (image, ...more) {
  if (image instanceof VideoFrame) document.getElementById("drawn").textContent = ++drawn;
  return draw.call(this, image, ...more);
};
new RFB(document.querySelector(".pane-screen-view"), `ws://${location.host}/rfb`, { shared: true });
</script>"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/rfb":
            return self.desktop()
        path = os.path.normpath(self.path)
        data, kind = PAGE, "text/html"
        if path.startswith("/novnc/"):
            with open(NOVNC + path[len("/novnc"):], "rb") as f:
                data, kind = f.read(), "text/javascript"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def desktop(self):
        key = base64.b64encode(hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n")
        back = preface(self.server.display, "rfb", "page", 0)
        threading.Thread(target=self.down, args=(back,), daemon=True).start()
        try:
            self.up(back)
        except OSError:
            pass
        back.close()

    def down(self, back):
        try:
            while data := back.recv(65535):
                n = len(data)  # in the fewest bytes, or it is no frame
                head = struct.pack(">BB", 130, n) if n < 126 else struct.pack(">BBH", 130, 126, n)
                self.connection.sendall(head + data)
        except OSError:
            pass

    def up(self, back):
        while (exactly(self.connection, 1)[0] & 15) != 8:
            n = exactly(self.connection, 1)[0] & 127
            if n > 125:
                n = int.from_bytes(exactly(self.connection, 2 if n == 126 else 8), "big")
            mask = exactly(self.connection, 4)
            back.sendall(bytes(b ^ mask[i % 4] for i, b in enumerate(exactly(self.connection, n))))

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, display):
        super().__init__(("127.0.0.1", 0), Page)
        self.display = display
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().finish_request(request, client_address)

    def close(self):
        self.shutdown()
        self.server_close()
