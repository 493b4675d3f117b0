"""The gateway behind the proxies: answers 200, and writes what reached it as a JSON object a line."""
import http.server
import json
import sys


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = {"path": self.path, "headers": headers, "body": body.decode(errors="replace")}
        print(json.dumps(line), file=seen, flush=True)
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"taken")

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


seen = open(sys.argv[2], "a")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Gateway).serve_forever()
