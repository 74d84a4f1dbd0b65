# The start of the image apache/kafka, as far as compose.yaml uses it: KAFKA_NODE_ID becomes node.id, and so on.
set -euf
properties=/tmp/server.properties
env | sed -n 's/^KAFKA_//p' | grep -v '^HEAP_OPTS=' | while IFS='=' read -r name value; do
    printf '%s=%s\n' "$(printf '%s' "$name" | tr 'A-Z_' 'a-z.')" "$value"
done > "$properties"
java="java -XX:+UseSerialGC -XX:-UsePerfData -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp /opt/kafka/libs/*"
if [ ! -e "$KAFKA_LOG_DIRS/meta.properties" ]; then
    $java kafka.tools.StorageTool format --cluster-id "$CLUSTER_ID" --config "$properties"
fi
# shellcheck disable=SC2086
exec $java $KAFKA_HEAP_OPTS kafka.Kafka "$properties"
