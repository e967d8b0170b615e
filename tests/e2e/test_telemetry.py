"""The app with telemetry on, in the local host, exporting to a collector on loopback."""

from __future__ import annotations

from tests.support.accounts import StorageAccount
from tests.support.collector import collector
from tests.support.hosted import hosted_app

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRET = "a-secret-parameter"
# The exporter for Application Insights would else report about itself to Microsoft.
QUIET = {
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
}
KEY = "InstrumentationKey=00000000-0000-0000-0000-000000000000"
SCRIPT = "aW1wb3J0IGxvZ2dpbmcKbG9nZ2luZy5nZXRMb2dnZXIoJ3MnKS53YXJuaW5nKCdmcm9tIHRoZSBzY3JpcHQnKQ=="


async def test_spans_and_logs_of_sync_and_queued_runs_reach_both_destinations(storage_account: StorageAccount):
    async with collector() as collected:
        settings = {
            "PYTHON_ENABLE_OPENTELEMETRY": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "APPLICATIONINSIGHTS_CONNECTION_STRING": f"{KEY};IngestionEndpoint={collected.url}/",
            "OTEL_SERVICE_NAME": "orders",
            **QUIET,
        }
        async with hosted_app(storage_account.connection_string, **settings) as hosted:
            headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            body = {"workflowName": "hello", "inputData": {"name": SECRET}}
            ran = await hosted.client.post("/workflows/execute", body, headers=headers)
            script = await hosted.client.post("/workflows/execute", {"code": SCRIPT, "scriptName": "s"})
            lines = {"lines": ["4711;9.50"], "seconds_per_order": 0}
            body = {"workflowName": "import_orders", "inputData": lines}
            queued = await hosted.client.post("/workflows/execute", body)
            assert (ran.status, script.status, queued.status) == (200, 200, 202)
            await hosted.client.until_ended(queued.body["executionId"])
            names = {"workflow hello", "script", "workflow import_orders"}
            await collected.until(
                lambda it: (
                    names <= {span["name"] for span in it.spans}
                    and any(log["text"] == "from the script" for log in it.logs)
                    and len([item for item in it.items if item["data"]["baseType"] == "RemoteDependencyData"]) >= 3
                    and any(item["data"]["baseData"].get("message") == "from the script" for item in it.items)
                )
            )
        spans = {span["name"]: span for span in collected.spans}
        sync = spans["workflow hello"]
        assert (sync["trace"], sync["parent"]) == (TRACE, "00f067aa0ba902b7")
        assert sync["attributes"]["workflow.execution_id"] == ran.body["executionId"]
        assert spans["workflow import_orders"]["attributes"]["workflow.trigger"] == "queue"
        assert spans["workflow import_orders"]["attributes"]["workflow.status"] == "Success"
        (said,) = [log for log in collected.logs if log["text"] == "from the script"]
        assert (said["trace"], said["span"]) == (spans["script"]["trace"], spans["script"]["span"])
        assert collected.services == {"orders"}
        assert SECRET.encode() not in collected.raw
