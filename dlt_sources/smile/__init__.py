"""Smile.io: seven listings of its REST API as raw tables of the dataset `raw_smile`."""

from dlt_sources.smile.client import client
from dlt_sources.smile.resources import DATASET, RESOURCES, TABLES
from dlt_sources.smile.source import smile_source

__all__ = ["DATASET", "RESOURCES", "TABLES", "client", "smile_source"]
