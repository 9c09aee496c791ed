"""A service that says it is ready, answers like an exchange if given a port, and stops when told to."""

import http.server
import os
import signal
import sys
import threading
import time
from pathlib import Path


class TimeOnly(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"code":"0","data":[]}')

    def log_message(self, *_: object) -> None:
        pass


stopped = threading.Event()
drain = float(sys.argv[sys.argv.index("--drain") + 1]) if "--drain" in sys.argv else 0.0


def stop(*_: object) -> None:
    stopped.set()


signal.signal(signal.SIGTERM, stop)
if "--port" in sys.argv:
    server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), TimeOnly)
    threading.Thread(target=server.serve_forever, daemon=True).start()
Path(os.environ["OKXBOT_READY_FILE"]).touch()
print(f"ready {os.getpid()}", flush=True)
stopped.wait()
time.sleep(drain)
print("shutdown_complete", flush=True)
