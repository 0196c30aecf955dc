"""MongoDB: where users go when they outgrow one machine; a replica set or a sharded cluster of them."""
