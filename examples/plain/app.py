"""Workflows and activities of your own, served by Outlive's workers beside its own."""

from activities import write_letter
from workflows import DunningWorkflow

from outlive import App

app = App("plain", workflows=[DunningWorkflow], activities=[write_letter])
