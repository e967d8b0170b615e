"""Users as App Service Authentication names them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

OID = "6f0e2c9a-2222-4222-8333-444455556666"
TENANT = "0f4c1d6e-1111-4222-8333-444455556666"


def claims_of(
    oid: str = OID, tenant: str = TENANT, name: str = "", email: str = "", roles: Sequence[str] = ()
) -> list[dict[str, str]]:
    """A user's claims, as Entra ID's are called."""
    values = {
        "http://schemas.microsoft.com/identity/claims/objectidentifier": oid,
        "http://schemas.microsoft.com/identity/claims/tenantid": tenant,
        "name": name,
        "preferred_username": email,
    }
    claims = [{"typ": typ, "val": value} for typ, value in values.items() if value]
    return [*claims, *({"typ": "roles", "val": role} for role in roles)]


def client_principal(
    oid: str = OID, tenant: str = TENANT, name: str = "", email: str = "", roles: Sequence[str] = ()
) -> str:
    """The value of X-MS-CLIENT-PRINCIPAL for such a user."""
    value = {"auth_typ": "aad", "claims": claims_of(oid, tenant, name, email, roles), "name_typ": "name"}
    return base64.b64encode(json.dumps({**value, "role_typ": "roles"}).encode()).decode()
