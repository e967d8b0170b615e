"""What is deployed, and where to: as far as it can be told without Azure and its compiler."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dev.examples import is_shipped
from tests.support.bicep import read_bicep
from tests.support.read_settings import read_by_the_code

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))
MAIN = INFRA / "main.bicep"

# What Azure itself reads: https://learn.microsoft.com/azure/azure-functions/functions-app-settings, and of App Service
# Authentication https://learn.microsoft.com/azure/app-service/configure-authentication-provider-aad
PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AzureFunctionsJobHost__telemetryMode",
    "AzureWebJobsDisableHomepage",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
    "WEBSITE_AUTH_AAD_ALLOWED_TENANTS",
}
# Refused on Flex Consumption: https://learn.microsoft.com/azure/azure-functions/functions-app-settings
NOT_ON_FLEX = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT|linuxFxVersion|SCM_DO_BUILD"
)
IN_THE_PACKAGE = {"function_app.py", "host.json", "requirements.txt", "requirements-telemetry.txt"}
INDEX = """
import json, sys
import function_app
names = sorted(function.get_function_name() for function in function_app.app.get_functions())
print(json.dumps([names, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(INFRA).as_posix())
def test_every_file_is_bicep_and_fits_the_modules_that_it_uses(path: Path):
    found = read_bicep(path)
    assert found.mistakes == []
    unused = [name for name in (*found.params, *found.variables) if len(re.findall(rf"\b{name}\b", found.text)) < 2]
    assert unused == []
    for name, module in found.modules.items():
        inner = read_bicep(module.path)
        assert {param for param, required in inner.params.items() if required} <= module.params, name
        assert module.params <= set(inner.params), name
        assert {output for symbol, output in found.module_outputs if symbol == name} <= inner.outputs, name


def test_every_module_is_used():
    assert {module.path for module in read_bicep(MAIN).modules.values()} == set(FILES) - {MAIN}


def test_parameters_are_those_of_the_template_and_the_required_ones_are_there():
    given = set(json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"])
    params = read_bicep(MAIN).params
    assert given <= set(params)
    assert {name for name, required in params.items() if required} <= given


def test_every_app_setting_is_one_that_the_code_or_the_platform_reads():
    app = read_bicep(INFRA / "modules" / "app.bicep")
    settings = {key for name, keys in app.variables.items() if name.endswith("Settings") for key in keys}
    assert {"AzureWebJobsStorage__accountName", "KEY_VAULT_URL", "PYTHON_ENABLE_OPENTELEMETRY"} <= settings
    assert settings <= read_by_the_code() | PLATFORM
    assert NOT_ON_FLEX.search(app.text) is None


def test_no_key_opens_storage_and_no_secret_is_in_a_template():
    assert "allowSharedKeyAccess: false" in (INFRA / "modules" / "storage.bicep").read_text(encoding="utf-8")
    for path in FILES:
        assert not re.search(r"listKeys|AccountKey|@secure|password:", path.read_text(encoding="utf-8")), path.name


def test_administrators_are_made_by_the_role_that_the_code_asks_for():
    (role,) = json.loads((INFRA / "app-roles.json").read_text(encoding="utf-8"))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "shared").rglob("*.py"))
    assert f'"{role["value"]}"' in source


def test_azure_yaml_points_at_what_is_there():
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert (ROOT / azure["infra"]["path"] / f"{azure['infra']['module']}.bicep") == MAIN
    ((name, service),) = azure["services"].items()
    assert (ROOT / service["project"] / "host.json").exists()
    assert (service["host"], service["language"]) == ("function", "python")
    # How azd finds the app that the service is deployed to.
    assert f"'azd-service-name': '{name}'" in (INFRA / "modules" / "app.bicep").read_text(encoding="utf-8")


def is_ignored(path: Path, rule: str) -> bool:
    """Whether a rule of .funcignore names a file or folder: a rule with a slash is a path, another a name anywhere."""
    return fnmatch.fnmatch(path.as_posix() if "/" in rule else path.name, rule)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What .funcignore leaves of the repository's files."""
    ignored = [line for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines() if line]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = tmp_path_factory.mktemp("package")
    for name in listed.stdout.splitlines():
        path = Path(name)
        ignored_by_rule = any(is_ignored(part, rule) for part in [path, *path.parents][:-1] for rule in ignored)
        if is_shipped(name) and not ignored_by_rule:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)
    return folder


def test_the_package_holds_the_app_and_nothing_of_its_development(package: Path):
    assert {path.name for path in package.iterdir() if path.is_dir()} == {"functions", "shared", "workspace"}
    assert {path.name for path in package.iterdir() if path.is_file()} == IN_THE_PACKAGE
    assert not (package / "workspace" / "_tests").exists()


def test_the_package_indexes_on_its_own(package: Path):
    def indexed(folder: Path) -> tuple[list[str], set[str]]:
        environ = {**os.environ, "AzureWebJobsStorage": "UseDevelopmentStorage=true", "AUTH_MODE": "platform"}
        environ.pop("PYTHONPATH", None)
        done = subprocess.run(
            [sys.executable, "-c", INDEX], cwd=folder, env=environ, capture_output=True, text=True, check=True
        )
        names, modules = json.loads(done.stdout)
        return names, set(modules)

    names, modules = indexed(package)
    assert names
    assert names == indexed(ROOT)[0]
    assert not modules & {"dev", "tests", "pytest"}
