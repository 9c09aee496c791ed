"""What Grafana shows: seven dashboards built from Python, their committed JSON, and Grafana's provisioning files."""
