"""What no route answers: 404, or 405 where only the method is wrong. Azure's own answer would be an empty 404.

Azure tries functions in the order of their names, so this one's begins with the last letters there are.
"""

from __future__ import annotations

import azure.functions as func

from functions.http.adapter import error_response, register
from functions.http.routes import methods_of
from shared.errors import MethodNotAllowedError, NotFoundError

blueprint = func.Blueprint()

NAME = "zz_unmatched"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


async def unmatched(req: func.HttpRequest) -> func.HttpResponse:
    allowed = methods_of(req.route_params.get("path", ""))
    if allowed:
        return error_response(
            MethodNotAllowedError(f"{req.method} is not allowed here; {', '.join(allowed)} is", allowed)
        )
    return error_response(NotFoundError("There is nothing at this address"))


register(blueprint, NAME, "{*path}", METHODS, unmatched)
