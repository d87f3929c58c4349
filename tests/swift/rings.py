"""Writes the rings, by which Swift finds its disk, as `FOLDER/KIND.ring.gz`: `rings.py FOLDER KIND=PORT ...`.

It is run by the Python that has Swift.
"""

import sys

from swift.common.ring import RingBuilder

folder, *ports = sys.argv[1:]
for kind, port in (given.split("=") for given in ports):
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{kind}.ring.gz")
