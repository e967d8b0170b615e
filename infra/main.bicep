// All that the platform takes on Azure: `azd up` deploys it and the app. No key and no secret is in it: the app comes to
// storage, key vault and Application Insights with a managed identity.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the environment; all names are made from it.')
param environmentName string

@description('Region. Flex Consumption must be offered there: az functionapp list-flexconsumption-locations')
param location string

@minLength(36)
@maxLength(36)
@description('Client id of the app registration (Entra ID, single tenant) that users sign in by. Without one nobody could be an administrator.')
param authClientId string

@description('Tenant of the app registration.')
param authTenantId string = tenant().tenantId

@description('Whether there is a key vault for configuration values of type secret_ref.')
param createKeyVault bool = false

@description('Origins of web pages that may call the app and upload files, such as https://forms.example.com.')
param browserOrigins array = []

@description('Whether the app itself exports spans and log records by OpenTelemetry. requirements.txt must then take in requirements-telemetry.txt.')
param openTelemetry bool = false

@description('An OTLP/HTTP collector that they go to besides Application Insights.')
param otlpEndpoint string = ''

@allowed(['3.11', '3.12', '3.13'])
@description('Version of Python.')
param pythonVersion string = '3.12'

@allowed([512, 2048, 4096])
@description('Memory of an instance; processor and price go with it.')
param instanceMemoryMB int = 2048

@minValue(40)
@maxValue(1000)
@description('The most instances that there may be at a time.')
param maximumInstanceCount int = 100

@minValue(1)
@maxValue(1000)
@description('HTTP calls that one instance takes at a time. Those that wait for log lines count, too.')
param httpConcurrency int = 32

@minValue(0)
@maxValue(1000)
@description('Instances for HTTP calls that are there at all times, against cold starts; paid for at all times.')
param alwaysReadyHttp int = 0

@minValue(30)
@maxValue(730)
@description('Days that logs are kept.')
param logRetentionDays int = 30

@description('Gigabytes of telemetry a day, beyond which it is dropped; -1 for no bound.')
param logDailyQuotaGb int = -1

var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    browserOrigins: browserOrigins
  }
}

module keyVault 'modules/key-vault.bicep' = if (createKeyVault) {
  name: 'key-vault'
  scope: group
  params: {
    name: 'kv-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    deploymentContainerUrl: storage.outputs.deploymentContainerUrl
    insightsConnectionString: monitoring.outputs.connectionString
    keyVaultUrl: createKeyVault ? keyVault!.outputs.url : ''
    authClientId: authClientId
    authTenantId: authTenantId
    browserOrigins: browserOrigins
    openTelemetry: openTelemetry
    otlpEndpoint: otlpEndpoint
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttp: alwaysReadyHttp
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_URL string = app.outputs.url
output SIGN_IN_REDIRECT_URI string = '${app.outputs.url}/.auth/login/aad/callback'
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output KEY_VAULT_URL string = createKeyVault ? keyVault!.outputs.url : ''
