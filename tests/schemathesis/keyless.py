"""Everything that needs a key by /openapi.json is refused without one, and with a wrong one: keyless.py URL."""
import json
import sys
import urllib.error
import urllib.request

base = sys.argv[1]
document = json.load(urllib.request.urlopen(f"{base}/openapi.json", timeout=10))
wrong = asked = 0
for path, methods in document["paths"].items():
    for method in (name for name, operation in methods.items() if operation.get("security")):
        for headers in {}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer "}:
            url = base + path.replace("{", "").replace("}", "")
            body = None if method == "get" else b"{}"
            request = urllib.request.Request(url, body, headers, method=method.upper())
            try:
                status = urllib.request.urlopen(request, timeout=10).status
            except urllib.error.HTTPError as error:
                status = error.code
            asked += 1
            if status != 401:
                wrong += 1
                print(f"{method} {path} with {headers}: {status}, not 401")
print(f"without a key: {asked} asked, {wrong} not refused")
sys.exit(wrong > 0)
