"""`make failures`: what the failure of one server of several costs, measured with Kafka of three and a standby."""
