"""Alipay, played by python-alipay-sdk. Keys: argv[1] is the merchant's public key, argv[2] Alipay's private one."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl

from alipay import AliPay

alipay = AliPay(
    appid="2021000000000001",
    app_private_key_string=open(sys.argv[2]).read(),
    alipay_public_key_string=open(sys.argv[1]).read(),
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        fields = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        sign = fields.pop("sign")
        content = json.loads(fields["biz_content"])
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        right, wrong = alipay._verify(text, sign), alipay._verify(text + " ", sign)
        said = {
            "code": "10000", "msg": "Success", "out_trade_no": content["out_trade_no"],
            "qr_code": f"{right},{wrong}".lower(), "trade_status": "TRADE_SUCCESS", "total_amount": "12.34",
            "subject": '鞋 "}',
        }
        said = json.dumps(said, ensure_ascii=False)
        name = fields["method"].replace(".", "_") + "_response"
        body = f'{{"{name}":{said},"sign":"{alipay._sign(said)}"}}'
        if content["out_trade_no"].startswith("ff"):
            body = body.replace("12.34", "1.00")
        body = body.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
