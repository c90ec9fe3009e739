"""MLflow's server in one process: `mlflow server` keeps a second one of 220 MB beside it, only to wait for it.

Started as `python -m headrace.local.mlflow_server HOST PORT DATABASE ARTIFACTS`.
"""

import os
import sys


def main() -> None:
    """Bring the database up to date, then serve: whoever is answered finds it ready."""
    host, port, database, artifacts = sys.argv[1:]
    import uvicorn
    from mlflow.server import constants, handlers

    root = "mlflow-artifacts:/"  # clients send artifacts to this server, and need no way to where they are kept
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: database,
        constants.REGISTRY_STORE_URI_ENV_VAR: database,
        constants.ARTIFACT_ROOT_ENV_VAR: root,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
    }
    handlers.initialize_backend_stores(database, database, root)
    uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
