"""A local stand-in for the Azure Functions host: serves any Python function app (programming model v2) on loopback.

A supervisor owns the port and the polling, and talks to one worker child that holds the app and can be killed. How
Azure's host behaves, where it is not documented, was read from its source (Azure/azure-functions-host and
Azure/azure-sdk-for-net, WebJobs extensions for Storage).
"""
