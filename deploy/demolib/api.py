# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST API through the gateway, as any client sees it. Standard library only."""
import http.client
import json
import ssl


class ApiError(Exception):
    """An answer that is not 2xx: .status, .code, .reasons and the text a person gets."""

    def __init__(self, status, body):
        error = body.get("error", {}) if isinstance(body, dict) else {}
        self.status, self.code = status, error.get("code", "")
        self.reasons = error.get("reasons") or []
        text = error.get("message", f"status {status}")
        super().__init__("; ".join([text] + [str(r) for r in self.reasons]))


class Api:
    def __init__(self, port, ca, host="127.0.0.1", token=None, timeout=40):
        self.host, self.port, self.token, self.timeout = host, port, token, timeout
        self.tls = ssl.create_default_context(cafile=ca)

    def call(self, method, path, body=None, token=None):
        """Returns (status, decoded body). OSError when nobody answers."""
        link = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token or self.token:
            headers["Authorization"] = f"Bearer {token or self.token}"
        try:
            link.request(method, "/api/v1" + path, None if body is None else json.dumps(body), headers)
            answer = link.getresponse()
            text = answer.read()
        except http.client.HTTPException as problem:
            raise ConnectionError(f"no whole answer: {problem!r}") from problem
        finally:
            link.close()
        try:
            return answer.status, json.loads(text) if text else {}
        except ValueError:
            return answer.status, {"error": {"message": text.decode(errors="replace")[:200]}}

    def need(self, method, path, body=None, token=None):
        status, answer = self.call(method, path, body, token)
        if not 200 <= status < 300:
            raise ApiError(status, answer)
        return answer

    def get(self, path):
        return self.need("GET", path)

    def post(self, path, body):
        return self.need("POST", path, body)

    def items(self, path):
        return self.get(path)["items"]

    def login(self, user, password):
        """A copy of this that speaks for user."""
        answer = self.need("POST", "/login", {"user": user, "password": password})
        other = Api(self.port, None, self.host, answer["token"], self.timeout)
        other.tls = self.tls
        return other
