"""What can't be had on this machine: a managed identity and a key vault. These stand-ins speak their protocols, so that
the SDKs are the real ones.

https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference,
https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev.azurite import HOST

_IDENTITY_HEADER = "of-this-test"
_SOMEBODY = "6f0e2c9a-2222-4222-8333-444455556666"


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(encoding))
    files[1].write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


class AzureServices:
    """A managed identity endpoint and a key vault on 127.0.0.1.

    Args:
        certificate: files of the vault's certificate and its key.
        secrets: of the vault, by name, or `NAME/VERSION`.

    Attributes:
        resources: what tokens were asked for.
        asked: the secrets that were asked for, in order.
        is_away: whether the vault answers 503.
    """

    def __init__(self, certificate: tuple[Path, Path], secrets: Mapping[str, str]) -> None:
        self._certificate = certificate
        self._secrets = secrets
        self.resources: list[str] = []
        self.asked: list[str] = []
        self.is_away = False

    async def __aenter__(self) -> Self:
        identity, vault = web.Application(), web.Application()
        identity.router.add_get("/token", self._give_token)
        vault.router.add_get("/secrets/{name}/{version:.*}", self._give_secret)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._certificate)
        self._runners = [web.AppRunner(identity), web.AppRunner(vault)]
        for runner, tls in zip(self._runners, (None, context), strict=True):
            await runner.setup()
            await web.TCPSite(runner, HOST, 0, ssl_context=tls).start()
        self._identity_port, self._vault_port = (runner.addresses[0][1] for runner in self._runners)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for runner in self._runners:
            await runner.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """What Azure sets, and what the app's settings say of the vault."""
        return {
            "IDENTITY_ENDPOINT": f"http://{HOST}:{self._identity_port}/token",
            "IDENTITY_HEADER": _IDENTITY_HEADER,
            "KEY_VAULT_URL": f"https://{HOST}:{self._vault_port}",
            # OpenSSL's own way to name whom to trust.
            "SSL_CERT_FILE": str(self._certificate[0]),
        }

    async def _give_token(self, request: web.Request) -> web.Response:
        if request.headers.get("x-identity-header") != _IDENTITY_HEADER:
            return web.json_response({"error": "unauthorized"}, status=401)
        resource = request.query["resource"]
        self.resources.append(resource)
        now = int(time.time())
        claims = {"aud": resource, "iss": "https://sts.windows.net/of-this-test/", "iat": now, "nbf": now - 60}
        token = _unsigned({**claims, "exp": now + 3600, "oid": _SOMEBODY, "tid": _SOMEBODY})
        return web.json_response(
            {"access_token": token, "expires_on": str(now + 3600), "resource": resource, "token_type": "Bearer"}
        )

    async def _give_secret(self, request: web.Request) -> web.Response:
        if "authorization" not in request.headers:
            # The SDK wants the vault to lie in the domain that it asks tokens for; of an address, its last parts.
            challenge = f'Bearer authorization="https://{HOST}/tenant", resource="https://0.0.1:{self._vault_port}"'
            return web.json_response({}, status=401, headers={"WWW-Authenticate": challenge})
        name = "/".join(filter(None, (request.match_info["name"], request.match_info["version"])))
        self.asked.append(name)
        if self.is_away:
            return _refusal(503, "Away")
        if name == "forbidden":
            return _refusal(403, "Forbidden")
        if name not in self._secrets:
            return _refusal(404, "SecretNotFound")
        version = request.match_info["version"] or "1"
        identifier = f"https://{HOST}/secrets/{request.match_info['name']}/{version}"
        return web.json_response({"value": self._secrets[name], "id": identifier})


def _refusal(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "for operators only"}}, status=status)


def _unsigned(claims: Mapping[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "x"]
    )
