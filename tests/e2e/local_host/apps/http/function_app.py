"""HTTP functions that show what the host does with requests and answers."""

import asyncio
import json
import os
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

released = threading.Event()


# The host looks at names in their order: this one hides `things_special`, and not the other way round.
@app.function_name("Things_by_id")
@app.route(route="things/{id}", methods=["GET"])
async def by_id(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"by id {req.route_params['id']}")


@app.function_name("things_special")
@app.route(route="things/special", methods=["GET", "DELETE"])
async def special(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("special")


@app.function_name("things_special_again")
@app.route(route="Things/Special/", methods=["DELETE"])
async def special_again(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("never")


@app.route(route="administrators")
async def reserved(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("never")


@app.blob_trigger(arg_name="blob", path="container/{name}", connection="AzureWebJobsStorage")
async def on_blob(blob: func.InputStream) -> None:
    raise AssertionError


@app.route(route="pages/{number:int}")
async def constrained(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("never")


@app.route(route="echo/{a}")
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode("latin-1"),
        "function": context.function_name,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")


@app.route(route="answers/{kind}")
async def answers(req: func.HttpRequest):
    match req.route_params["kind"]:
        case "raise":
            raise ValueError("told to")
        case "none":
            return None
        case "cookies":
            response = func.HttpResponse("ok", status_code=201, headers={"X-One": "1"})
            response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
            response.headers.add("Set-Cookie", "b=x=y; Max-Age=5; SameSite=Lax")
            return response
        case "text":
            return req.params["text"]
        case "header":
            return func.HttpResponse("ok", headers={"X-Bad": "café"})
        case "number":
            return 5
        case _:
            return func.HttpResponse(b"\x00\xff", status_code=418, mimetype="application/octet-stream")


@app.function_name("without_output")
@app.generic_trigger(arg_name="req", type="httpTrigger", route="silent", authLevel="anonymous")
async def without_output(req: func.HttpRequest) -> None:
    return None


@app.route(route="hold")
def hold(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("released" if released.wait(10) else "not released")


@app.route(route="release")
async def release(req: func.HttpRequest) -> func.HttpResponse:
    released.set()
    return func.HttpResponse("ok")


@app.route(route="process")
async def process(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(os.getpid()))


@app.route(route="sleep/{seconds}")
async def sleep(req: func.HttpRequest) -> func.HttpResponse:
    print("asleep")
    await asyncio.sleep(float(req.route_params["seconds"]))
    return func.HttpResponse("slept")


@app.route(route="block")
async def block(req: func.HttpRequest) -> func.HttpResponse:
    print("blocked")
    threading.Event().wait()
    return func.HttpResponse("never")
