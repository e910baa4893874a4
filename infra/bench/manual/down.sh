set -eu
k3d cluster delete tracingcluster
docker rm --force --volumes manual-jaeger manual-collector
docker network rm manual
