"""Prometheus' HTTP API over what channels sent, for Grafana's Prometheus source."""

from gateway.bridges.prometheus.bridge import Prometheus

__all__ = ["Prometheus"]
