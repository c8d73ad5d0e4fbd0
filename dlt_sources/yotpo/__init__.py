"""Yotpo Loyalty: members, their details and history, and the catalogues, as dataset `raw_yotpo`."""

from dlt_sources.yotpo.client import client
from dlt_sources.yotpo.resources import DATASET, RESOURCES, TABLES
from dlt_sources.yotpo.source import yotpo_source

__all__ = ["DATASET", "RESOURCES", "TABLES", "client", "yotpo_source"]
