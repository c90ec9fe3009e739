"""What people look at: dashboards, rules and alerts, and the page of the instruments."""
