"""Every workflow of ours loads in Temporal's strict sandbox, and touches nothing there that it must not."""

import importlib
import pkgutil

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import outlive.workflows
from outlive import names


def workflow_definitions():
    for module_info in pkgutil.iter_modules(outlive.workflows.__path__, "outlive.workflows."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            definition = workflow._Definition.from_class(value) if isinstance(value, type) else None
            if definition and value.__module__ == module.__name__:
                yield definition


DEFINITIONS = list(workflow_definitions())


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.name)
async def test_a_workflow_loads_in_the_strict_sandbox(definition):
    SandboxedWorkflowRunner().prepare_workflow(definition)


def test_the_batch_workflow_is_known_by_the_name_that_histories_hold():
    assert names.BATCH_WORKFLOW in {definition.name for definition in DEFINITIONS}
